"""Generated parts of pages, between two markers each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from common.errors import UserError
from common.jobs.files import atomic_write
from common.paths import display_path


def markers(name: str, script: str) -> tuple[str, str]:
    """Return the comments before and after the part `name`, which `script` writes."""
    return f"<!-- {name}: made by {script} -->", f"<!-- end of {name} -->"


def names_in(text: str, script: str) -> list[str]:
    """List the parts of a page that `script` writes, in the order of the page."""
    return re.findall(rf"<!-- (\S+): made by {re.escape(script)} -->", text)


def with_part(text: str, name: str, script: str, content: str) -> str:
    """Replace the text between the `markers` of a part; raise a `UserError` if one is missing."""
    begin, end = markers(name, script)
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise UserError(f"the page lacks the lines {begin} and {end}: add them around the part")
    return f"{before}{begin}\n\n{content}\n{end}{after}"


def renew(page: Path, parts: Mapping[str, str], script: str, *, check: bool = False) -> None:
    """Write the parts of a page, from name to content; with `check`, only compare them.

    A `UserError` is raised if a marker is missing, or if `check` finds a part out of date.
    """
    text = renewed = page.read_text(encoding="utf-8")
    for name, content in parts.items():
        before, renewed = renewed, with_part(renewed, name, script, content)
        if check and renewed != before:
            raise UserError(f"{display_path(page)} is out of date at {name!r}: run python {script}")
    if renewed != text:
        with atomic_write(page) as file:
            file.write(renewed.encode())
