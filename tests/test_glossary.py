"""docs/glossary.md defines every option, record field, status, verdict and flag of the command line, and none that
is gone.

Names are read from the code: options from the classes that configurations name, fields from the records, keys of
`info`, `curve` and `evidence` from where they are written, statuses from the functions that word them.

    python -m tests.test_glossary

prints what is missing, with the place in the code that has it, and what is out of date.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import pkgutil
import re
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import slt
from slt.config import schema
from slt.models.base import Model

ROOT = Path(__file__).resolve().parents[1]
SOURCE = Path(slt.__file__).parent
GLOSSARY = ROOT / "docs" / "glossary.md"
PARTS = {"info", "curve", "evidence"}  # fields that hold numbers by name
Found = Iterator[tuple[str, str]]  # names, each with the place in the code that has it


# -- what the code has ---------------------------------------------------------------------------------
def classes_with_options() -> set[type]:
    """The experiment, every class of slt that a preset or the documentation names as a `_target_`, and dataclasses
    that are fields of these."""
    named = set()
    for file in (*ROOT.glob("configs/**/*.yaml"), *ROOT.glob("docs/*.md")):
        named |= set(re.findall(r"_target_: (slt\.[\w.]+)", file.read_text(encoding="utf-8")))
    found: set[type] = set()
    todo = [schema.Experiment, *map(_imported, named)]
    while todo:
        cls = todo.pop()
        if cls not in found:
            found.add(cls)
            todo += [part for hint in typing.get_type_hints(cls).values() for part in _dataclasses_in(hint)]
    return found


def options() -> Found:
    for cls in classes_with_options():
        yield from ((field.name, cls.__name__) for field in dataclasses.fields(cls) if field.init)


def fields() -> Found:
    """Fields of all records, and the names under which their `info`, `curve` and `evidence` hold numbers."""
    for package in ("records", "transitions"):
        for cls in _public_dataclasses(package):
            yield from ((field.name, cls.__name__) for field in dataclasses.fields(cls))
    for place, tree in _sources("posterior", "llc", "comparer"):
        yield from ((key, place) for key in _keys(tree))


def statuses() -> Found:
    """What a status may be, without its explanation: of samplers, training, learning coefficients and runs."""
    from slt.llc import flags
    from slt.records.base import OK
    from slt.storage import runs, sweeps

    yield OK, "records/base.py"
    yield from ((name, "llc/flags.py") for name in flags.NAMES)
    for place, tree in _sources("posterior", "training"):
        yield from ((name, place) for name in _worded(tree))
    for module in (runs, sweeps):
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, str) and value.isalpha():
                yield value, module.__name__


def verdicts() -> Found:
    from slt.comparer import sweep
    from slt.records.comparison import VERDICTS

    yield from ((name, "records/comparison.py") for name in VERDICTS)
    yield from ((name, "comparer/sweep.py") for name in sweep.OUTCOMES)


def command_line() -> Found:
    for place, tree in _sources("cli"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and re.fullmatch(r"--[a-z][a-z-]+", str(node.value)):
                yield str(node.value), place


def _imported(target: str) -> type:
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _dataclasses_in(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
    for part in typing.get_args(hint):
        yield from _dataclasses_in(part)


def _public_dataclasses(package: str) -> Iterator[type]:
    parent = importlib.import_module(f"slt.{package}")
    for found in pkgutil.walk_packages(parent.__path__, f"{parent.__name__}."):
        for name, value in vars(importlib.import_module(found.name)).items():
            own = isinstance(value, type) and value.__module__ == found.name and not name.startswith("_")
            if own and dataclasses.is_dataclass(value):
                yield value


def _sources(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    for package in packages:
        for file in sorted((SOURCE / package).rglob("*.py")):
            yield file.relative_to(SOURCE).as_posix(), ast.parse(file.read_text(encoding="utf-8"))


def _keys(tree: ast.Module) -> Iterator[str]:
    """Constant keys of what is given as, assigned to or written into `info`, `curve` or `evidence`, and names that a
    docstring puts in quotes after "Info" or "info:"."""
    returned = {
        function.name: [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in PARTS:
            yield from _constant_keys(node.value, returned)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            for place in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(place, ast.Name) and place.id in PARTS:
                    yield from _constant_keys(node.value, returned)
                if isinstance(place, ast.Subscript) and getattr(place.value, "id", "") in PARTS:
                    yield from _constants([place.slice])
        elif isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            for paragraph in (ast.get_docstring(node) or "").split("\n\n"):
                if told := re.search(r"(^`?Info\b|\binfo`?[:,])", paragraph, re.IGNORECASE):
                    yield from re.findall(r'"([a-z]\w*)"', paragraph[told.start() :])


def _constant_keys(node: ast.expr | None, returned: dict[str, list[ast.expr | None]]) -> Iterator[str]:
    """Of dict displays, of comprehensions over constant names, and of what functions of the module return, however
    they are joined."""
    if isinstance(node, ast.Dict):
        yield from _constants(node.keys)
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                yield from _constant_keys(value, returned)
    elif isinstance(node, ast.BinOp):
        yield from _constant_keys(node.left, returned)
        yield from _constant_keys(node.right, returned)
    elif isinstance(node, ast.DictComp):
        yield from _constants(getattr(node.generators[0].iter, "elts", []))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        for value in returned.get(node.func.id, []):
            yield from _constant_keys(value, returned)


def _constants(nodes: list[Any]) -> Iterator[str]:
    yield from (str(node.value) for node in nodes if isinstance(node, ast.Constant))


def _worded(tree: ast.Module) -> Iterator[str]:
    """The names of the statuses that functions called `status` or `_status` make: words before ":" or " at step "."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.name.strip("_") == "status":
            for node in ast.walk(function):
                text = node.values[0] if isinstance(node, ast.JoinedStr) else node
                told = isinstance(text, ast.Constant) and re.match(
                    r"([a-z][a-z -]*)(?::| at step )", str(text.value)
                )
                if told:
                    yield told[1]


# -- what the glossary has -------------------------------------------------------------------------------
# by kind: how the headings of its sections begin, and what the code has of it
KINDS: dict[str, Callable[[], Found]] = {
    "Options": options,
    "Records": fields,
    "Statuses": statuses,
    "Verdicts": verdicts,
    "Command line": command_line,
}


class Row(NamedTuple):
    """A row of a table: the heading of its section, the terms in its first cell, and its other cells."""

    section: str
    terms: list[str]
    cells: list[str]


def rows() -> list[Row]:
    """Rows of all tables whose first cell holds terms."""
    found, section = [], ""
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("| `"):
            first, *others = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            found.append(Row(section, re.findall(r"`([^`]+)`", first), others))
    return found


def defined(kind: str) -> set[str]:
    return {term for row in rows() if row.section.startswith(kind) for term in row.terms}


def compared(kind: str) -> tuple[list[str], list[str]]:
    """Names that the glossary does not define, each with the place that has it; and names that only it has."""
    found: dict[str, str] = {}
    for name, place in KINDS[kind]():
        found.setdefault(name, place)
    told = defined(kind)
    return [f"{name} ({found[name]})" for name in sorted(found.keys() - told)], sorted(told - found.keys())


@pytest.mark.parametrize("kind", KINDS)
def test_the_glossary_defines_every_name_and_no_other(kind):
    missing, outdated = compared(kind)
    assert list(KINDS[kind]()), "nothing was found to define"
    assert not missing, f"docs/glossary.md does not define these, under {kind}"
    assert not outdated, f"docs/glossary.md defines these under {kind}, and the code does not have them"


def test_the_table_of_models_options_names_the_models_that_have_them():
    told: dict[str, set[str]] = {}
    for row in rows():
        if row.section == "Options: models":
            for term in row.terms:
                told.setdefault(term, set()).update(re.findall(r"`(\w+)`", row.cells[-1]))
    models = {cls.__name__ for cls in classes_with_options() if issubclass(cls, Model)}
    have: dict[str, set[str]] = {}
    for name, cls in options():
        if cls in models:
            have.setdefault(name, set()).add(cls)
    assert told == have


if __name__ == "__main__":
    for each in KINDS:
        missing, outdated = compared(each)
        print(f"{each}\n  missing: {', '.join(missing) or '-'}\n  out of date: {', '.join(outdated) or '-'}")
