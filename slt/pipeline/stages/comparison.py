"""SGD's transitions beside the posterior's, and a verdict on every pair of phases."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from slt.comparer.assemble import ComparisonInputs, assemble
from slt.pipeline.stage import Plan
from slt.pipeline.stages import llc, phases
from slt.posterior.diagnostics import trusted, untrusted
from slt.records.comparison import Comparison
from slt.records.posterior import Ladder
from slt.records.training import Trajectory
from slt.records.transitions import Changepoints

if TYPE_CHECKING:
    from slt.config.schema import Experiment
    from slt.storage.resumable import Driver

NAME = "comparison"


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The phases, and what they are of; None where a run has no such stage."""

    training: Trajectory | None
    posterior: Ladder | None
    llc: llc.Output | None
    phases: phases.Output


@dataclasses.dataclass(frozen=True)
class Output:
    """The comparison, and the changes of every recorded curve of SGD (None without SGD)."""

    comparison: Comparison
    changepoints: Changepoints | None = None


def plan(experiment: Experiment) -> Plan:
    there = {
        "training": experiment.training is not None,
        "posterior": experiment.posterior is not None,
        "llc": experiment.llc is not None,
        "phases": True,
    }
    inputs = tuple(name for name in there if there[name])
    config = {"model": experiment.model, "hysteresis": experiment.comparison.hysteresis}
    return Plan(config, inputs, "matches SGD's transitions with the posterior's")


def run(experiment: Experiment, inputs: Inputs, drive: Driver) -> Output:
    labeled, ladder = inputs.phases, inputs.posterior
    occupancy, notes = labeled.occupancy, labeled.notes
    if ladder is not None and occupancy is not None:
        bad = untrusted(ladder, occupancy)
        occupancy = trusted(occupancy, bad)
        if bad:
            told = ", ".join(f"{n:,}" for n in bad)
            notes = (*notes, f"The posterior at n = {told} is not trusted, and nothing rests on it here.")
    given = ComparisonInputs(
        facts=labeled.facts,
        names=labeled.names,
        notes=notes,
        trajectory=inputs.training,
        path=labeled.path,
        llc=None if inputs.llc is None else inputs.llc.path,
        n=None if experiment.training is None else experiment.training.n,
        occupancy=occupancy,
        ladder_status=None if ladder is None else ladder.status,
        population=labeled.population,
    )
    return Output(*assemble(experiment.model, given, experiment.comparison.hysteresis))
