"""The collection of models, read from files: every model's configuration, class and first sentence, without
importing any of them."""

from __future__ import annotations

import ast
import dataclasses
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from slt.storage.code_version import module_file


@dataclasses.dataclass(frozen=True)
class Entry:
    """One configuration of `model/`: its name, its description, its class, its options, and the folder that
    holds `model/`."""

    name: str
    about: str
    target: str
    options: dict[str, Any]
    folder: str


def entries(folders: list[Path]) -> list[Entry]:
    """All models configured in `folders` (those that hold `model/`), by name; earlier folders win."""
    files: dict[str, Path] = {}
    for folder in folders:
        for file in sorted((folder / "model").glob("*.yaml")):
            files.setdefault(file.stem, file)
    return [_entry(files[name]) for name in sorted(files)]


def _entry(file: Path) -> Entry:
    text, folder = file.read_text(encoding="utf-8"), str(file.parent.parent)
    try:
        options = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        return Entry(file.stem, f"not YAML: {str(error).splitlines()[0]}", "", {}, folder)
    if not isinstance(options, dict):
        return Entry(file.stem, "not a configuration: it holds no KEY: VALUE", "", {}, folder)
    target = str(options.pop("_target_", ""))
    comment = " ".join(line.lstrip("# ") for line in _leading_comment(text))
    return Entry(file.stem, _first_sentence(comment) or _docstring(target), target, options, folder)


def _leading_comment(text: str) -> list[str]:
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if "@package" not in line:
            lines.append(line)
    return lines


def _first_sentence(text: str) -> str:
    return re.split(r"(?<!et al)\. ", text)[0].strip().rstrip(".")


def _docstring(target: str) -> str:
    """The first sentence of the docstring of the class that `target` names, read from its source."""
    module, _, name = target.rpartition(".")
    file = (
        module_file(module, [Path(__file__).parents[2], Path.cwd(), *map(Path, sys.path)]) if module else None
    )
    if file is None:
        return ""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except SyntaxError:
        return f"{file} is not Python"
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _first_sentence(" ".join((ast.get_docstring(node) or "").split()))
    return ""
