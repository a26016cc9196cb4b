"""Which modules some code uses."""

import pytest

from common.imports import used_modules


@pytest.fixture
def project(tmp_path):
    files = {
        "top.py": "import numpy\n",
        "house/first.py": "def later():\n    from house import second\n",
        "house/second.py": "import house.first\nimport top as name\n",
        "house/alone.py": "",
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
    ],
)
def test_modules_are_found_through_others_and_in_circles(project, code, modules):
    assert used_modules(code, project) == [project / name for name in modules]
