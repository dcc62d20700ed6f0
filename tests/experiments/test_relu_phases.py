"""The turned truth's odds by Laplace, against the Hessians of the model itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from experiments.relu_phases.study import laplace_log_odds
from slt.models.relu_network import ReluNetwork


def test_odds_of_the_turned_truth():
    """Along nodes' scales the two are alike, so that what is left is the product of the other curvatures."""
    model = ReluNetwork()
    free = []
    for phase in model.phases()[3:]:
        flat, unravel = ravel_pytree(jax.tree.map(jnp.asarray, phase.point))
        hessian = jax.hessian(lambda v, unravel=unravel: model.population_loss(unravel(v)))(flat)
        curvatures = np.linalg.eigvalsh(hessian)[3:]
        free.append(np.sum(np.log(curvatures)) / 2 - phase.log_prior)
    assert laplace_log_odds(model) == pytest.approx(free[0] - free[1], rel=1e-9)
