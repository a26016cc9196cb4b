"""Settings that are compared with those of an earlier run."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import UserError
from common.jobs.journal import as_json, difference, require_same


@pytest.mark.parametrize(
    ("earlier", "now", "text"),
    [
        ({"a": 1}, {"a": 2}, "a was 1, now 2"),
        ({"a": {"b": 1, "c": 3}}, {"a": {"b": 1, "c": 4}}, "a.c was 3, now 4"),
        ({"a": 1}, {"a": 1, "b": "x"}, 'b was null, now "x"'),
        ({"a": ["Folk"]}, {"a": ["Rock"]}, 'a was ["Folk"], now ["Rock"]'),
    ],
)
def test_difference_names_the_setting_and_both_values(earlier, now, text):
    assert difference(earlier, now) == text


def test_difference_shortens_long_values():
    assert len(difference({"a": "x" * 1000}, {"a": "y" * 1000})) < 150


def test_settings_that_came_back_from_a_file_are_the_same():
    settings = {"genres": ("Folk", "Rock"), "parameters": {"hop": 460}}
    require_same(as_json(settings), as_json(settings), Path("out"), "work made")


@pytest.mark.parametrize("earlier", [{"hop": 460}, {}, None, "damaged"])
def test_other_settings_are_refused(earlier):
    with pytest.raises(UserError, match=r"out holds a training with other settings \(.*now .*\)"):
        require_same(earlier, {"hop": 512}, Path("out"), "a training")
