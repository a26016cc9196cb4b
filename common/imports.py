"""Which of the project's modules some code uses: those it imports, and those that they import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from fma_utils import PROJECT_ROOT


def used_modules(code: str, root: Path = PROJECT_ROOT) -> list[Path]:
    """List the files of a project that code imports, directly or through other modules.

    Parameters
    ----------
    code : str
        Python source. Imports count wherever they stand, inside functions too.
    root : Path
        The folder that the project's modules are imported from.

    Returns
    -------
    list of Path
        Sorted.
    """
    used: set[Path] = set()
    waiting = list(imported_modules(code, root))
    while waiting:
        module = waiting.pop()
        if module not in used:
            used.add(module)
            waiting += imported_modules(module.read_text(encoding="utf-8"), root)
    return sorted(used)


def imported_modules(code: str, root: Path = PROJECT_ROOT) -> Iterator[Path]:
    """Give the files that code imports directly; parameters as `used_modules` has them."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # What comes from a package may be a module of it, or a name in it.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            module = root.joinpath(*name.split(".")).with_suffix(".py")
            if module.is_file():
                yield module
