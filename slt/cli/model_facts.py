"""What is known of the models of the collection, kept between calls: phases take time to solve, and JAX to import.

A model's facts are kept with a hash of every source file that was loaded when they were solved, of the data that it
reads, and of its options. As long as all of these are the same, nothing is imported.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import sys
import sysconfig
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from slt.config.composition import make_importable
from slt.config.model_index import Entry
from slt.errors import UserError
from slt.runtime.cache import cache_directory, writable
from slt.storage.files import StoreError, digest, read_json, write_json

_PACKAGES = ("slt", "jax", "scipy")


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of one model.

    Attributes:
      dimension: number of parameters; None where the model cannot be made, and `trouble` says why.
      phases: the fields of `PhaseFacts`, for each known phase.
      trouble: in one line.
    """

    dimension: int | None
    phases: list[dict[str, Any]]
    trouble: str = ""


def facts_of(collection: list[Entry], say: Callable[[str], None]) -> list[Facts]:
    """The facts of every entry, from earlier calls where they still hold; `say` is told of others before they are
    solved."""
    kept = [_kept(entry) for entry in collection]
    missing = kept.count(None)
    if missing:
        say(f"solving phases of {missing} model{'' if missing == 1 else 's'} ...")
    return [_solved(entry) if facts is None else facts for entry, facts in zip(collection, kept, strict=True)]


def _solved(entry: Entry) -> Facts:
    """Facts solved now, and kept unless something is wrong with the model."""
    from slt.comparer.summary import plain

    try:
        model, dimension = _model(entry)
        from slt.phases.classification import phase_facts

        facts = Facts(dimension, plain([dataclasses.asdict(fact) for fact in phase_facts(model)]))
    except UserError as error:
        return Facts(None, [], str(error).splitlines()[0])
    except Exception as error:  # of a model of one's own: the others are still worth listing
        return Facts(None, [], f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
    sources = {str(path): _hash(path) for path in (*_loaded(), *_data(model))}
    place = _place(entry)
    if place is not None and writable(place.parent):
        with contextlib.suppress(OSError):  # a cache that cannot be written saves no time, and that is all
            write_json(place, {"sources": sources, "facts": dataclasses.asdict(facts)})
    return facts


def _model(entry: Entry) -> tuple[Any, int]:
    """The model that an entry describes, and its number of parameters."""
    import jax

    from slt.config.validation import build, typed
    from slt.models.base import Model
    from slt.runtime.jax_setup import configure_jax
    from slt.runtime.random_keys import random_key

    configure_jax()
    make_importable(Path.cwd())
    model = build(typed({"_target_": entry.target, **entry.options}, Model, "model"), Model, "model")
    shapes = jax.eval_shape(model.init, random_key(0))
    return model, sum(leaf.size for leaf in jax.tree.leaves(shapes))


def _data(model: Any) -> tuple[Path, ...]:
    """The file that holds the model's observations, if there is one."""
    path = getattr(model, "data", None)
    return (Path(path).resolve(),) if isinstance(path, str) and Path(path).is_file() else ()


def _kept(entry: Entry) -> Facts | None:
    """Facts of an earlier call, if all that they rest on is as it was."""
    place = _place(entry)
    if place is None:
        return None
    try:
        kept = read_json(place)
        unchanged = all(_hash(Path(path)) == known for path, known in kept["sources"].items())
        return Facts(**kept["facts"]) if unchanged else None
    except (StoreError, KeyError, TypeError, AttributeError):
        return None


def _place(entry: Entry) -> Path | None:
    """The file of an entry's facts; None where there is no cache directory."""
    packages = [version(package) for package in _PACKAGES]
    folder = cache_directory("models")
    name = digest([entry.target, entry.options, str(Path.cwd()), packages])
    return None if folder is None else folder / f"{name}.json"


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return "missing"


def _loaded() -> set[Path]:
    """Source files of all that is loaded now: of slt but its command line, and of modules that are not installed."""
    installed = tuple(Path(sysconfig.get_path(kind)) for kind in ("stdlib", "purelib", "platlib"))
    found = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file or not file.endswith(".py") or name == "__main__" or name.startswith("slt.cli"):
            continue
        path = Path(file)
        if name.split(".")[0] == "slt" or not any(path.is_relative_to(folder) for folder in installed):
            found.add(path)
    return found
