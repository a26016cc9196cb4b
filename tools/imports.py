"""Modules of the project that code imports, and a hash of code without comments."""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

from common.paths import PROJECT_ROOT


def used_modules(code: str, root: Path = PROJECT_ROOT) -> list[Path]:
    """List the files of a project that code imports, directly or through other modules.

    Imports inside functions count. A package counts with its ``__init__.py``.
    """
    used: set[Path] = set()
    waiting = list(imported_modules(code, root, root))
    while waiting:
        module = waiting.pop()
        if module not in used:
            used.add(module)
            waiting += imported_modules(module.read_text(encoding="utf-8"), root, module.parent)
    return sorted(used)


def imported_modules(code: str, root: Path, folder: Path) -> Iterator[Path]:
    """Yield the files that code in `folder` imports directly."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names, start = [alias.name for alias in node.names], root
        elif isinstance(node, ast.ImportFrom):
            # A name imported from a package is a module of it or an attribute.
            source = [node.module] if node.module else []
            names = [".".join([*source, alias.name]) for alias in node.names]
            start = root if not node.level else (folder, *folder.parents)[node.level - 1]
        else:
            continue
        for name in names:
            path = start
            for part in name.split("."):
                path = path / part
                candidates = (path.with_suffix(".py"), path / "__init__.py")
                yield from (file for file in candidates if file.is_file())


def code_digest(code: str) -> str:
    """Hash the lines of code without comments, docstrings and blank lines.

    The hash does not depend on the version of Python.
    """
    lines = code.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            for row in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                lines[row - 1] = ""
    kept = "\n".join(line.rstrip() for line in lines if line.strip())
    return hashlib.sha256(kept.encode()).hexdigest()[:16]
