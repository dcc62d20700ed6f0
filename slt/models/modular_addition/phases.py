"""The phases of a network that adds modulo p: chance, memorizing, generalizing."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import jax
import numpy as np

from slt.models.base import Params, Phase
from slt.models.modular_addition import solutions

if TYPE_CHECKING:
    from slt.models.modular_addition import ModularAddition

CHANCE, MEMORIZING, GENERAL = range(3)  # what `classify` returns


@functools.cache
def phases(model: ModularAddition) -> tuple[Phase, ...]:
    """See `ModularAddition.phases`."""
    shape = (model.p, model.hidden, model.activation)
    height = 1.0 if model.loss == "squared" else solutions.LOGIT
    solution, exact = solutions.solution(*shape, height)

    @jax.jit
    def classify(w: Params) -> jax.Array:
        return model.classify(w)

    @jax.jit
    def facts(w: Params) -> tuple[jax.Array, jax.Array]:
        return model.population_loss(w), model.log_prior(w)

    nothing = {"W": np.zeros((2 * model.p, model.hidden)), "V": np.zeros((model.hidden, model.p))}
    known = (
        ("chance", nothing, True, "no weights: a saddle"),
        (
            "memorizing",
            solutions.memorized(*shape, height, lambda w: int(classify(w)) == MEMORIZING),
            False,
            "random neurons, outputs fitted to some of the pairs",
        ),
        (
            "generalizing",
            solution,
            model.loss == "squared" and (model.activation == "quadratic" or exact),
            "waves of single frequencies in phase (Gromov 2023, section 3)"
            if model.activation == "quadratic"
            else "hinges at every a + b",
        ),
    )
    return tuple(
        Phase(
            name=name,
            point=point,
            loss=float(loss),
            log_prior=float(log_prior),
            critical=critical,
            source=source,
        )
        for name, point, critical, source in known
        for loss, log_prior in [facts(point)]
    )
