"""Setting up on Google Colab, where much is installed and the project is not.

Only the standard library is used: this is imported before anything else is there. It was tested
with commands that only pretend to run, and not yet on Colab itself, whose Python and packages are
other versions than those that this project pins.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LEFT_OUT = re.compile(
    r"tensorflow(-cpu)?==|jupyterlab|nb|ipykernel|sphinx|myst|pytest|hypothesis|playwright|ruff|mypy|setup"
)
"""How lines begin of what Colab has for its own kernel and GPU, and what no notebook needs."""


def missing_requirements(requirements: str) -> list[str]:
    """Choose what has to be installed for the notebooks.

    Parameters
    ----------
    requirements : str
        The content of ``requirements.txt``.

    Returns
    -------
    list of str
        What is not installed in any version, as it stands there. What is installed in another
        version stays: Colab's packages fit each other and its GPU.
    """
    lines = (line.partition("#")[0].strip() for line in requirements.splitlines())
    return [
        line
        for line in lines
        if line and not _LEFT_OUT.match(line) and not _is_installed(line.partition("==")[0])
    ]


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def set_up(project: str | Path, folder: str) -> None:
    """Install what is missing, make the demo set, and go to a notebook's folder.

    Parameters
    ----------
    project : path-like
        Where the project was cloned to.
    folder : str
        Of the notebook, in the project.
    """
    project = Path(project).resolve()
    missing = missing_requirements((project / "requirements.txt").read_text(encoding="utf-8"))
    if missing:
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing], check=True)
    # Processes that extract features find the project by the variable, this one by its path.
    os.environ["PYTHONPATH"] = str(project)
    sys.path.insert(0, str(project))
    if not (project / "data" / "demo").exists():
        subprocess.run([sys.executable, str(project / "data" / "make_demo.py")], check=True)
    os.chdir(project / folder)
