"""The stages of an experiment, in order, and what their records are named by.

The name of a stored record is a hash of its stage's configuration, of the names of its inputs, and of the version
of its code: the stage's module and the classes that its configuration names, with all that these import
(`slt.storage.code_version`), and the observations that a user hands over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from slt.adapters.user_model import UserModel
from slt.config.schema import Experiment
from slt.config.validation import describe
from slt.pipeline.stage import Plan
from slt.pipeline.stages import comparison, data, development, llc, phases, population, posterior, training
from slt.storage.code_version import code_version
from slt.storage.files import digest
from slt.storage.store import Recipe

MODULES = (data, training, posterior, population, llc, phases, comparison, development)


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


def stages(experiment: Experiment) -> list[Stage]:
    """Every stage that `experiment` asks for, all but the report; each reads only what comes before it."""
    made: dict[str, Stage] = {}
    for module in MODULES:
        wanted = module.plan(experiment)
        if wanted is not None:
            made[module.NAME] = planned(module, wanted, made)
    return list(made.values())
