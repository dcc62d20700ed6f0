"""What a stage declares, and what its record is named by.

A stage is a module of `slt.pipeline.stages` with

    NAME      what it is called
    Output    the type of its record (a dataclass of records)
    Inputs    a dataclass whose fields are named as the stages that it reads, with the types of their records
    plan      from the experiment to a `Plan`, or None where this run has no such stage
    run       from the experiment, its Inputs and a driver of long computations to its Output
    failure   (optional) why nothing can be learned from an Output; "" where something can

Nothing else passes between stages. The name of a stored record is a hash of its stage's configuration, of the names
of
its inputs, and of the version of its code: the stage's module and the classes that its configuration names, with all
that these import (`slt.storage.code_version`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from slt.adapters.user_model import UserModel
from slt.config.validation import describe
from slt.storage.code_version import code_version
from slt.storage.files import digest
from slt.storage.store import Recipe


@dataclasses.dataclass(frozen=True)
class Work:
    """What a stage costs: `amount` of `unit`, and the bytes of its record; either may be unknown."""

    amount: int | None = None
    unit: str = ""
    size: int | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a stage rests on in one run.

    Attributes:
      config: the parts of the experiment that determine its record: objects of the configuration, and plain values.
      inputs: the fields of its Inputs that it reads.
      description: what it does, in a few words.
      work: what it costs.
      extent: options that only make its record longer. They are part of its name, but not of the names of the stages
        that read it, since these read the part that they need.
      drawings: whether it draws parameters, so that the models' methods `drawing` belong to its code.
    """

    config: Mapping[str, Any]
    inputs: tuple[str, ...]
    description: str
    work: Work = Work()
    extent: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    drawings: bool = False


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stage of one run: its module, its plan, the name of its record, and what stages that read it know it by."""

    module: ModuleType
    plan: Plan
    recipe: Recipe
    identity: str

    @property
    def name(self) -> str:
        return self.module.NAME


def planned(module: ModuleType, plan: Plan, earlier: Mapping[str, Stage]) -> Stage:
    """The stage of `module` under `plan`; `earlier` holds the stages that it may read, by name."""
    version = code_version(sorted(rests_on(module, plan)), drawings=plan.drawings)
    data = [value.rows().digest() for value in plan.config.values() if isinstance(value, UserModel)]
    code = digest([version, *data])
    inputs = {name: earlier[name].identity for name in plan.inputs}
    config = {key: describe(value) for key, value in plan.config.items()}
    recipe = Recipe(module.NAME, {**config, **plan.extent}, inputs, code)
    return Stage(module, plan, recipe, dataclasses.replace(recipe, config=config).hash)


def rests_on(module: ModuleType, plan: Plan) -> set[str]:
    """The modules whose import closure is the code of a stage."""
    return {module.__name__}.union(*map(_modules, plan.config.values()))


def _modules(value: Any) -> set[str]:
    """The modules that define a dataclass and those that it holds, and those that a user's model names."""
    if isinstance(value, Mapping):
        return set().union(*map(_modules, value.values()))
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return set()
    held = (_modules(getattr(value, field.name)) for field in dataclasses.fields(value))
    named = value.modules() if isinstance(value, UserModel) else ()
    return {type(value).__module__, *named}.union(*held)


def size_of(shapes: Any) -> int:
    """Bytes of a pytree of shapes."""
    import jax

    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))


def times(count: int, noun: str) -> str:
    """ "1 seed", "2 seeds"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
