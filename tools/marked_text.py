"""Parts of a page that a program writes, each between two markers; and whether they are current."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from common.errors import UserError
from common.jobs.files import atomic_write
from common.paths import display_path


def markers(name: str, script: str) -> tuple[str, str]:
    """Give the lines that a part stands between: comments, which no reader sees.

    Parameters
    ----------
    name : str
        Of the part, unique in its page.
    script : str
        What writes it, e.g. ``benchmarks/readme_table.py``.
    """
    return f"<!-- {name}: made by {script} -->", f"<!-- end of {name} -->"


def names_in(text: str, script: str) -> list[str]:
    """List the parts of a page that a script writes, in the page's order."""
    return re.findall(rf"<!-- (\S+): made by {re.escape(script)} -->", text)


def with_part(text: str, name: str, script: str, content: str) -> str:
    """Put a content between the two markers of a part.

    Parameters
    ----------
    text : str
        Holds both `markers`, each in a line of its own.
    name, script : str
        As `markers` takes them.
    content : str
        Ends with a line break.

    Returns
    -------
    str
        The same text again for the same content.

    Raises
    ------
    UserError
        If a marker is missing.
    """
    begin, end = markers(name, script)
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise UserError(f"the page lacks the lines {begin} and {end}: put them where it belongs")
    return f"{before}{begin}\n\n{content}\n{end}{after}"


def renew(page: Path, parts: Mapping[str, str], script: str, *, check: bool = False) -> None:
    """Write the parts of a page, or only look whether they are what they would be.

    Parameters
    ----------
    page : Path
    parts : mapping
        Name → content.
    script : str
        As `markers` takes it.
    check : bool
        Change nothing.

    Raises
    ------
    UserError
        If a marker is missing, or, with `check`, a part is not current.
    """
    text = page.read_text(encoding="utf-8")
    renewed = text
    for name, content in parts.items():
        before = renewed
        renewed = with_part(renewed, name, script, content)
        if check and renewed != before:
            raise UserError(f"{display_path(page)} is out of date at {name!r}: run python {script}")
    if renewed != text:
        with atomic_write(page) as file:
            file.write(renewed.encode())


def add_check_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--check``."""
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if a page is out of date"
    )
