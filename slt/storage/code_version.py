"""The version of a piece of code: a hash of its meaning and of all that it imports.

Comments, docstrings and layout do not count. Nor does how a model draws itself (its method `drawing`), unless asked
for: another picture is no reason to train again.

Imports are followed as they stand in the source, those inside functions too, but not those for type checkers alone
(`if TYPE_CHECKING`): to modules of slt, to modules of the package that a named module belongs to, wherever it is
installed, and to all other modules but those of installed packages and of the standard library. The package `slt`
itself is left out: it holds nothing but the public names of everything else.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import site
import sys
import sysconfig
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from slt.errors import UserError
from slt.storage.files import digest

_PACKAGE = "slt"
_ROOT = Path(__file__).resolve().parents[2]
_DRAWING, _DRAWINGS = "drawing", "slt.models.drawing"  # a method of models, and where its result is defined


def code_version(modules: Iterable[str], *, drawings: bool = False) -> str:
    """Hash of the named modules with all that they import.

    Args:
      modules: dotted names of imported modules.
      drawings: whether the method `drawing` of models counts.

    Raises UserError for a module that has no source file, such as one typed into a notebook.
    """
    start = {module: _source(module) for module in modules}
    homes = {module.split(".")[0]: _home(module, path) for module, path in start.items()}

    def found(module: str) -> Path | None:
        top = module.split(".")[0]
        return module_file(module, [homes[top]]) if top in homes else find(module)

    return version_of(closure(start, found, drawings=drawings), drawings=drawings)


def version_of(files: Mapping[str, Path], *, drawings: bool = False) -> str:
    """Hash of the meaning of these modules."""
    return digest({module: _read(*_stamped(path), module, drawings)[0] for module, path in files.items()})


def closure(
    modules: Mapping[str, Path], find: Callable[[str], Path | None], *, drawings: bool = False
) -> dict[str, Path]:
    """Module -> source file: `modules` with all that they import, directly or not, as far as `find` finds it."""
    pending, found = dict(modules), {}
    while pending:
        module, path = pending.popitem()
        if module in found or module == _PACKAGE:
            continue
        found[module] = path
        for name in _read(*_stamped(path), module, drawings)[1]:
            if name not in found and (file := find(name)) is not None:
                pending[name] = file
    return dict(sorted(found.items()))


def find(module: str) -> Path | None:
    """The source file of a module of slt or of a user's own; None for what is installed or part of Python."""
    own = module == _PACKAGE or module.startswith(f"{_PACKAGE}.")
    return module_file(module, [_ROOT] if own else _folders(tuple(sys.path), Path.cwd()))


def module_file(module: str, folders: Iterable[Path]) -> Path | None:
    """The source file of a dotted module name under one of `folders`, without importing anything."""
    for folder in folders:
        base = folder.joinpath(*module.split("."))
        for path in (base / "__init__.py", base.with_suffix(".py")):
            if path.is_file():
                return path
    return None


def _source(module: str) -> Path:
    """Where an imported module was read from, a script that runs as `__main__` too."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or not file.endswith(".py"):
        raise UserError(
            f"{module} has no source file, so that its version cannot be known\nPut it in a .py file"
        )
    return Path(file)


def _home(module: str, path: Path) -> Path:
    """The folder from which an imported module's dotted name leads to its file."""
    return path.parents[module.count(".") + (path.name == "__init__.py")]


@functools.lru_cache(maxsize=8)
def _folders(path: tuple[str, ...], working: Path) -> tuple[Path, ...]:
    """Where modules are looked for that may change between runs: Python's path without the standard library and
    installed packages."""
    installed = (*site.getsitepackages(), site.getusersitepackages())
    standard = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
    fixed = {Path(entry).resolve() for entry in (*installed, *standard)}
    folders = dict.fromkeys((working / entry).resolve() for entry in path)
    return tuple(folder for folder in folders if folder.is_dir() and not fixed & {folder, *folder.parents})


def _stamped(path: Path) -> tuple[Path, int, int]:
    stat = path.stat()
    return path, stat.st_mtime_ns, stat.st_size


@functools.lru_cache(maxsize=1024)
def _read(path: Path, mtime: int, size: int, module: str, drawings: bool) -> tuple[str, tuple[str, ...]]:
    """Hash of a file's meaning, and the names it imports; `mtime` and `size` are there to notice changes."""
    try:
        with tokenize.open(path) as file:  # heeds a declared encoding and a byte order mark
            tree = ast.parse(file.read(), filename=str(path))
    except (SyntaxError, UnicodeDecodeError):  # Python could not import it either: its bytes stand for it
        return hashlib.sha256(path.read_bytes()).hexdigest(), ()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    meaning = ast.unparse(_Meaning(drawings).visit(tree))
    return digest(meaning), tuple(_imports(tree, package))


class _Meaning(ast.NodeTransformer):
    """The code without docstrings, imports for type checkers, and models' drawings."""

    def __init__(self, drawings: bool) -> None:
        self.drawings = drawings

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
            node.body = body or [ast.Pass()]
        return super().visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.AST]:
        test = node.test
        name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
        if name != "TYPE_CHECKING":
            return self.generic_visit(node)
        return [self.visit(part) for part in node.orelse] or ast.Pass()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        if node.name == _DRAWING and not self.drawings:
            return None
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if node.module == _DRAWINGS and not self.drawings else node


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
