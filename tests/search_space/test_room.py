"""The room as a whole."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import search_space


def test_room_imports_the_standard_library_only() -> None:
    """The vocabulary can be read anywhere: no file of it imports anything but Python's own."""
    allowed = sys.stdlib_module_names | {"search_space"}
    for path in Path(search_space.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported = {(node.module or "").split(".")[0]}
            else:
                continue
            assert imported <= allowed, f"{path.name}, line {node.lineno}"


def test_everything_that_is_exported_exists_and_is_documented() -> None:
    """Each exported class and function has a docstring."""
    for name in search_space.__all__:
        exported = getattr(search_space, name)
        if callable(exported):
            assert exported.__doc__, name
