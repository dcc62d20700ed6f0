"""The version of a piece of code: a hash of what it says, whatever its comments and docstrings say.

How a model draws itself (its method `drawing`) is left out as well: another picture is no reason to train again.

A stage's version covers the modules that it starts from and all that these import, as far as they belong to slt
or lie beside a model of the user's own. Imports are read from the source, those inside functions too. The package
`slt` itself is left out: it holds nothing but the doors to everything else.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from slt.errors import UserError
from slt.storage.store import digest

_PACKAGE = "slt"
_DRAWING, _DRAWINGS = "drawing", "slt.models.drawing"  # a method of models, and where its result is defined


class _Home(NamedTuple):
    """A directory of importable modules, of which only `package` is followed ("" for all)."""

    folder: Path
    package: str


def code_version(modules: Iterable[str], functions: Iterable[Callable] = ()) -> str:
    """Hash of the named modules with all that they import, and of single functions.

    Args:
      modules: dotted names of imported modules.
      functions: whose own source counts, without what their module holds besides.

    Raises UserError for a module that has no source file, such as one typed into a notebook.
    """
    pending, homes = list(modules), set()
    for module in pending:
        homes.add(_home(module))
    seen: dict[str, str] = {}
    while pending:
        module = pending.pop()
        path = _locate(module, homes)
        if path is None or module in seen or module == _PACKAGE:
            continue
        stat = path.stat()
        seen[module], imported = _read(path, stat.st_mtime_ns, stat.st_size, module)
        pending.extend(imported)
    spoken = [
        _meaning(ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]) for function in functions
    ]
    return digest([seen, spoken])


def module_file(module: str, folders: Iterable[Path]) -> Path | None:
    """The source file of a dotted module name under one of `folders`, without importing anything."""
    for folder in folders:
        base = folder.joinpath(*module.split("."))
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None


def _home(module: str) -> _Home:
    """Where to look for what `module` imports: all of slt for slt, all that lies beside it for other code."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        raise UserError(
            f"{module} has no source file, so that its version cannot be known\nPut it in a .py file"
        )
    path = Path(file)
    depth = module.count(".") + (path.name == "__init__.py")
    folder = path.parents[depth]
    top = module.split(".")[0]
    return _Home(folder, top if top == _PACKAGE or "site-packages" in folder.parts else "")


def _locate(module: str, homes: Iterable[_Home]) -> Path | None:
    top = module.split(".")[0]
    return module_file(module, [home.folder for home in homes if home.package in ("", top)])


@functools.lru_cache(maxsize=512)
def _read(path: Path, mtime: int, size: int, module: str) -> tuple[str, tuple[str, ...]]:
    """What a file says, and the names it imports; `mtime` and `size` are there to notice changes."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return digest(_meaning(tree)), tuple(_imports(tree, package))


def _meaning(tree: ast.AST) -> str:
    """The code without comments, docstrings, layout and models' drawings. Changes `tree`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef):
            node.body = [part for part in node.body if not _is_drawing(part)] or [ast.Pass()]
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            node.body
            and isinstance(node.body[0], ast.Expr)
            and isinstance(node.body[0].value, ast.Constant)
            and isinstance(node.body[0].value.value, str)
        ):
            node.body = node.body[1:]
    return ast.unparse(tree)


def _is_drawing(node: ast.stmt) -> bool:
    imported = isinstance(node, ast.ImportFrom) and node.module == _DRAWINGS
    return imported or (isinstance(node, ast.FunctionDef) and node.name == _DRAWING)


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Dotted names that may be modules: `from a import b` gives both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield from _with_parents(base)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[: i + 1]) for i in range(len(parts)))
