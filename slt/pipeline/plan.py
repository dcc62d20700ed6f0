"""The stages of an experiment, in order."""

from __future__ import annotations

from slt.config.schema import Experiment
from slt.pipeline.stage import Stage, planned
from slt.pipeline.stages import comparison, data, development, llc, phases, population, posterior, training

MODULES = (data, training, posterior, population, llc, phases, comparison, development)


def stages(experiment: Experiment) -> list[Stage]:
    """Every stage that `experiment` asks for, all but the report; each reads only what comes before it."""
    made: dict[str, Stage] = {}
    for module in MODULES:
        wanted = module.plan(experiment)
        if wanted is not None:
            made[module.NAME] = planned(module, wanted, made)
    return list(made.values())
