"""Regression in context: training a preset, and the errors of the ideal predictors and of the prediction 0."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from slt.config.composition import compose
from slt.config.schema import experiment
from slt.models.icl_linear_regression import PROBE, ICLLinearRegression, ideal_predictors
from slt.pipeline.execute import run
from slt.pipeline.outputs import outputs
from slt.records.base import Array
from slt.records.training import Trajectory
from slt.runtime.long_computation import drive
from slt.runtime.random_keys import named_key
from slt.training.trainer import Trainer

RUNS = Path(__file__).resolve().parent.parent / "runs"


class Plan(NamedTuple):
    """What of a preset is run here."""

    model: ICLLinearRegression
    trainer: Trainer
    seed: int


def planned(*overrides: str) -> Plan:
    """A preset, read."""
    whole = experiment(compose(overrides))[0]
    assert isinstance(whole.model, ICLLinearRegression)
    assert whole.training is not None
    return Plan(whole.model, whole.training, whole.seed)


def trained(plan: Plan) -> Trajectory:
    """As `slt run` would train it."""
    return drive(plan.trainer.stage(plan.model, None), named_key(plan.seed, "training"))


def kept(*overrides: str) -> Trajectory:
    """The training of `slt run` with these overrides: kept in runs/, and resumed there where it was stopped."""
    done = run([*overrides, "llc=null"], store=RUNS)
    return outputs(done).get("training")


class References(NamedTuple):
    """Mean squared errors by position, (length,) each, on the sequences of the observables.

    Attributes:
      silent: of the prediction 0.
      best: of the ideal predictor for these tasks.
      ridge: of ridge regression.
    """

    silent: Array
    best: Array
    ridge: Array


def references(model: ICLLinearRegression) -> References:
    x, y = model.probe(PROBE)
    ridge = ideal_predictors.ridge(x, y, model.variance)
    best = ideal_predictors.dmmse(x, y, model.variance, model.table) if model.tasks else ridge

    def error(predicted: Array | float) -> Array:
        return np.mean((predicted - best.mean) ** 2 + best.variance, axis=0)

    return References(error(0.0), error(best.mean), error(ridge.mean))


def apart(model: ICLLinearRegression) -> float:
    """Distance from ridge regression to dMMSE on new tasks, as the observables "to_ridge" and "to_dmmse" have it."""
    x, y = model.unrestricted.probe(PROBE)
    gap = (
        ideal_predictors.dmmse(x, y, model.variance, model.table).mean
        - ideal_predictors.ridge(x, y, model.variance).mean
    )
    return float(np.mean(gap**2) / model.dimension)
