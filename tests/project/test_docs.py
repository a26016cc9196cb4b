"""The pages for readers: links lead somewhere, commands exist, and versions agree."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from common.paths import PROJECT_ROOT

PAGES = [
    PROJECT_ROOT / "README.md",
    PROJECT_ROOT / "data" / "README.md",
    *sorted(PROJECT_ROOT.glob("docs/*.md")),
    *sorted(PROJECT_ROOT.glob("results/*/README.md")),
]

_LINK = re.compile(r"\]\(<?([^)>]+)>?\)")

BY_HAND = {"python -m pytest", "python -m venv"}
"""Commands that are not the project's own."""


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def commands() -> dict[str, set[str]]:
    """Collect the commands that pages show: each with all options that it is shown with."""
    found: dict[str, set[str]] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = text.replace("\\\n", " ").splitlines() + re.findall(r"`([^`\n]+)`", text)
        for line in map(str.strip, lines):
            if not re.match(r"(\w+=\S+ )*python (-m \w|\w+/)", line):
                continue
            words = shlex.split(line, comments=True)
            words = words[words.index("python") :]
            name = " ".join(words[: 3 if words[1] == "-m" else 2])
            if name not in BY_HAND:
                options = {word for word in words if word.startswith("--")}
                found.setdefault(name, set()).update(options)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_links_lead_somewhere(page):
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"https?:", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link} in {page}"
        assert not anchor or anchor in anchors(target), f"{link} in {page}"


@pytest.mark.parametrize("command", sorted(commands()))
def test_commands_exist_and_have_the_options_that_pages_show(command, monkeypatch, capsys):
    *is_module, name = command.split()[1:]
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    if is_module:
        # Run as themselves, they run again under their own name, which has been imported.
        monkeypatch.delitem(sys.modules, name, raising=False)
    else:
        monkeypatch.syspath_prepend(str((PROJECT_ROOT / name).parent))
    with pytest.raises(SystemExit) as end:
        if is_module:
            runpy.run_module(name, run_name="__main__")
        else:
            runpy.run_path(str(PROJECT_ROOT / name), run_name="__main__")
    assert end.value.code == 0
    text = capsys.readouterr().out
    missing = {option for option in commands()[command] if option not in text}
    assert not missing


def test_the_pages_show_many_commands():
    assert len(commands()) >= 10


def test_the_citation_and_the_licence_are_those_of_the_package():
    package = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((PROJECT_ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == package["version"]
    assert citation["license"] == package["license"] == "MIT"
    assert "MIT License" in (PROJECT_ROOT / "LICENSE").read_text()
