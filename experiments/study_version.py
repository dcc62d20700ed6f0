"""The version of a study: a hash of all code that it imports and of all presets that it names.

Nothing is listed by hand. Code is what `slt.storage.code_version` finds by following imports from the study's module,
comments and docstrings aside. A study can also name code and presets in strings: the program of a process that it
starts ("slt.cli"), a model's function ("scripts.sbc_cases.line"), an override ("experiment=demo"). So the strings of
the study's own modules, those of `experiments` and `scripts`, are searched for both. A preset counts by content, as
it composes, and with the modules of the classes that it builds. A string that ends in "experiment=" stands for every
preset of that group. The default configuration counts for every study that composes one.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from slt.config.composition import compose
from slt.storage.code_version import code_version, module_file
from slt.storage.files import digest

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs"
_OWN = ("experiments", "scripts")
_COMPOSES = ("slt.config.composition", "slt.pipeline", "slt.cli")
_DOTTED = re.compile(r"\b(?:slt|experiments|scripts)(?:\.\w+)+")
_CHOICE = re.compile(r"\b(\w+)=(\w+|$)")


def study_version(module: str) -> str:
    """Hash of the study at a dotted name, such as "experiments.tanh.study" or "scripts.sbc".

    Raises ModuleNotFoundError where there is no such module.
    """
    trees = _own_modules(module)
    strings = [text for tree in trees for text in _strings(tree)]
    named = [*_named_modules(strings)]
    imported = [*named, *(name for tree in trees for name in _imports(tree))]
    chosen = [[preset] for preset in presets(strings)]
    if any(name.startswith(_COMPOSES) for name in imported):
        chosen.append([])
    configurations = [OmegaConf.to_container(compose(overrides)) for overrides in chosen]
    modules = sorted({module, *named, *_targets(configurations)})
    for name in modules:
        importlib.import_module(name)
    return digest([code_version(modules), configurations])


def presets(strings: Iterable[str]) -> list[str]:
    """The presets that overrides among `strings` choose, such as "experiment=demo", sorted."""
    choices = {choice for text in strings for choice in _CHOICE.findall(text)}
    files = (file for group, name in choices for file in CONFIGS.joinpath(group).glob(f"{name or '*'}.yaml"))
    return sorted({f"{file.parent.name}={file.stem}" for file in files})


def _own_modules(module: str) -> list[ast.Module]:
    """The module, and all of `experiments` and `scripts` that it imports."""
    pending: list[str] = [module]
    found: dict[str, ast.Module] = {}
    while pending:
        name = pending.pop()
        file = module_file(name, [ROOT]) if name.split(".")[0] in _OWN else None
        if file is not None and name not in found:
            found[name] = ast.parse(file.read_text(encoding="utf-8"))
            pending += _imports(found[name])
    return list(found.values())


def _imports(tree: ast.Module) -> Iterator[str]:
    """Dotted names that may be modules: `from a import b` gives both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _strings(tree: ast.Module) -> Iterator[str]:
    """String constants, those inside f-strings too; not docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def _named_modules(strings: Iterable[str]) -> Iterator[str]:
    """The modules of dotted names in strings: `scripts.sbc_cases` of "scripts.sbc_cases.line", a function."""
    for dotted in (match for text in strings for match in _DOTTED.findall(text)):
        parts = dotted.split(".")
        names = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
        found = next((name for name in names if module_file(name, [ROOT])), None)
        if found is not None:
            yield found


def _targets(node: Any) -> Iterator[str]:
    """The modules of the classes that a configuration builds."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"].rpartition(".")[0]
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from _targets(part)
