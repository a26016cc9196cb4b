"""Which modules some code uses, what it depends on, and that dependencies point one way."""

from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from common.paths import PROJECT_ROOT
from tools.imports import code_digest, imported_modules, used_modules

LAYERS = (
    ("common.fma",),
    ("common",),
    ("fma_utils",),
    ("spectrogram_feature", "spectrogram_image"),
    ("data", "tools"),
)
"""Each may import itself and those above it in this list, but nothing on its own line."""

EVERYWHERE = {"common/__init__.py", "common/errors.py", "common/paths.py", "common/text.py"}
"""Modules that import nothing of the project, or only one another."""


@pytest.fixture
def project(tmp_path):
    files = {
        "top.py": "import numpy\n",
        "house/first.py": "def later():\n    from house import second\n",
        "house/second.py": "import house.first\nimport top as name\n",
        "house/alone.py": "",
        "package/__init__.py": "from .inside import name\nfrom . import beside\n",
        "package/inside.py": "from ..top import numpy\nname = 1\n",
        "package/beside.py": "",
        "package/unused.py": "",
    }
    for name, code in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code)
    return tmp_path


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("import os, numpy.linalg", []),
        ("import top", ["top.py"]),
        ("from house.alone import anything", ["house/alone.py"]),
        ("from house import first", ["house/first.py", "house/second.py", "top.py"]),
        (
            "import package",
            ["package/__init__.py", "package/beside.py", "package/inside.py", "top.py"],
        ),
    ],
)
def test_modules_are_found_through_others_and_in_circles(project, code, modules):
    assert used_modules(code, project) == [project / name for name in modules]


CODE = '''
"""A module."""
from dataclasses import dataclass

LIMIT = 3  # tracks
"""How many."""

@dataclass
class Point:
    """A point."""
    x: float = 0.0

def double(number, *rest):
    """Double it."""
    return 2 * number + len("# no comment")
'''

OTHER_TEXT = '''
from dataclasses import dataclass
# One line.
LIMIT = 3


@dataclass
class Point:
    x: float = 0.0
    """Metres."""

def double(number, *rest):
    """Double a number.

    It is longer than before.
    """
    return 2 * number + len("# no comment")  # as it was
'''


def test_comments_and_docstrings_make_no_difference():
    assert code_digest(CODE) == code_digest(OTHER_TEXT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("2 * number", "number * 2"),
        ("x: float = 0.0", "x: int = 0.0"),
        ("x: float", "y: float"),
        ("@dataclass\n", ""),
        ("number, *rest", "number"),
        ("import dataclass", "import dataclass, field"),
        ("# no comment", "# a comment"),
    ],
)
def test_what_code_does_makes_a_difference(old, new):
    assert old in CODE
    assert code_digest(CODE) != code_digest(CODE.replace(old, new))


def modules() -> dict[Path, set[Path]]:
    """Give what each module of the project imports, inside functions too."""
    folders = {name.split(".")[0] for layer in LAYERS for name in layer}
    files = [PROJECT_ROOT / "fma_utils.py"]
    files += [file for name in folders for file in (PROJECT_ROOT / name).rglob("*.py")]
    # A command whose workers must find its functions imports itself under its own name.
    return {
        file: {*imported_modules(file.read_text(encoding="utf-8"), PROJECT_ROOT, file.parent)}
        - {file}
        for file in files
    }


def test_no_module_depends_on_itself():
    TopologicalSorter(modules()).prepare()


def test_dependencies_point_one_way():
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}

    def layer_of(module: Path) -> str:
        parts = module.relative_to(PROJECT_ROOT).with_suffix("").parts
        return next(name for name in (".".join(parts[:2]), parts[0]) if name in level)

    for module, imported in modules().items():
        for other in imported:
            name, own = layer_of(other), layer_of(module)
            if name != own and other.relative_to(PROJECT_ROOT).as_posix() not in EVERYWHERE:
                assert level[name] < level[own], f"{module} imports {other}"
