"""What some code depends on: the project's modules that it uses, and what these do."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from common.paths import PROJECT_ROOT

_TYPING = {"__future__", "collections.abc", "typing"}
"""Modules that are imported to say what things are, not to do anything."""


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
        Sorted; of a package also the ``__init__.py``, if it has one.
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
    """Yield the files behind the imports of code that stands in a folder of the project."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names, start = [alias.name for alias in node.names], root
        elif isinstance(node, ast.ImportFrom):
            # What comes from a package may be a module of it, or a name in it.
            source = [node.module] if node.module else []
            names = [".".join([*source, alias.name]) for alias in node.names]
            start = root if not node.level else (folder, *folder.parents)[node.level - 1]
        else:
            continue
        for name in names:
            place = start
            for part in name.split("."):
                place = place / part
                candidates = (place.with_suffix(".py"), place / "__init__.py")
                yield from (file for file in candidates if file.is_file())


def code_digest(code: str) -> str:
    """Tell in a short string what code does, whatever it says of itself.

    Comments, docstrings, line breaks, annotations of functions and variables and what is imported
    for these make no difference. Those in the body of a class do: a dataclass is made of them.

    Parameters
    ----------
    code : str
        Python source.

    Returns
    -------
    str
        The same in every version of Python that reads the code alike.
    """
    tree = _Bare().visit(ast.parse(code))
    return hashlib.sha256(_written(tree).encode()).hexdigest()[:16]


class _Bare(ast.NodeTransformer):
    """Takes away what does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._fields: set[ast.AnnAssign] = set()

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self._fields.update(part for part in node.body if isinstance(part, ast.AnnAssign))
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node in self._fields:
            return self.generic_visit(node)
        if node.value is None:
            return None
        return self.generic_visit(ast.Assign(targets=[node.target], value=node.value))

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        # A string by itself is a docstring, of a module, class or function, or of a constant.
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if node.module in _TYPING and not node.level else node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        is_for_types = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return None if is_for_types and not node.orelse else self.generic_visit(node)


def _written(node: object) -> str:
    """Write a tree without what differs between versions of Python: fields that are empty."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
        inner = ",".join(f"{name}={_written(value)}" for name, value in fields)
        return f"{type(node).__name__}({inner})"
    if isinstance(node, list):
        return f"[{','.join(map(_written, node))}]"
    return repr(node)
