"""Parts of pages that programs write."""

from __future__ import annotations

import pytest

from common.errors import UserError
from tools.marked_text import markers, names_in, renew, with_part

SCRIPT = "results/tables.py"


def page_of(*names: str) -> str:
    parts = ["\n".join([*markers(name, SCRIPT), f"after {name}\n"]) for name in names]
    return "before\n" + "".join(parts)


def test_a_part_goes_between_its_markers_and_nowhere_else():
    begin, end = markers("table", SCRIPT)
    text = f"before\n{begin}\nold\n{end}\nafter\n"
    renewed = with_part(text, "table", SCRIPT, "| new |\n")
    assert renewed == f"before\n{begin}\n\n| new |\n\n{end}\nafter\n"
    assert with_part(renewed, "table", SCRIPT, "| new |\n") == renewed


@pytest.mark.parametrize("missing", [0, 1])
def test_a_marker_that_is_missing_is_named(missing):
    text = markers("table", SCRIPT)[1 - missing]
    with pytest.raises(UserError, match=r"lacks the lines <!-- table: made by results/tables.py"):
        with_part(text, "table", SCRIPT, "| new |\n")


def test_the_parts_of_a_page_are_listed_in_its_order():
    text = page_of("second", "first") + "\n".join(markers("other", "elsewhere.py"))
    assert names_in(text, SCRIPT) == ["second", "first"]


def test_a_page_is_renewed_once_and_checked_without_being_touched(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(page_of("a", "b"))
    parts = {"a": "one\n", "b": "two\n"}
    with pytest.raises(UserError, match=r"page.md is out of date at 'a': run python results"):
        renew(page, parts, SCRIPT, check=True)
    assert page.read_text() == page_of("a", "b")
    renew(page, parts, SCRIPT)
    renew(page, parts, SCRIPT, check=True)
    state = page.stat()
    renew(page, parts, SCRIPT)
    assert page.stat().st_mtime_ns == state.st_mtime_ns
    assert "one\n" in page.read_text()
    assert "after a\n" in page.read_text()
    with pytest.raises(UserError, match="'b'"):
        renew(page, parts | {"b": "three\n"}, SCRIPT, check=True)
