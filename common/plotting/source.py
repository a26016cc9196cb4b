"""Source code of the project, shown in notebooks as it runs."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import TYPE_CHECKING, Any

from common.paths import display_path

if TYPE_CHECKING:
    from IPython.display import Markdown


def show_source(*objects: Any) -> Markdown:
    """Show the source of functions, methods, properties and classes, highlighted.

    Docstrings are left out. A comment names the file, and the class of a method.
    """
    from IPython.display import Markdown

    parts, earlier = [], ""
    for thing in map(_function_of, objects):
        owner = thing.__qualname__.rpartition(".")[0]
        path = display_path(inspect.getsourcefile(thing) or "")
        heading = f"# {path}, class {owner}" if owner else f"# {path}"
        code = without_docstrings(textwrap.dedent(inspect.getsource(thing)))
        parts.append(code if heading == earlier else f"{heading}\n{code}")
        earlier = heading
    blocks = "\n\n".join(parts)
    return Markdown(f"```python\n{blocks}\n```")


def without_docstrings(code: str) -> str:
    """Remove the docstrings of functions and classes, and the blank lines after them."""
    lines = code.splitlines()
    removed: set[int] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and len(node.body) > 1:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                removed |= set(range(first.lineno - 1, first.end_lineno or first.lineno))
                if not lines[max(removed) + 1].strip():
                    removed.add(max(removed) + 1)
    return "\n".join(line for number, line in enumerate(lines) if number not in removed)


def _function_of(thing: Any) -> Any:
    """Return the function of a property, and a function without its wrappers."""
    for name in ("func", "fget"):
        thing = getattr(thing, name, None) or thing
    return inspect.unwrap(thing)
