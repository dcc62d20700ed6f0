"""Barriers against passes that are known exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scripts.linear_gaussian import LinearGaussian
from slt.models.base import as_model
from slt.models.superposition import Superposition
from slt.transitions.barrier import lowest_paths


@as_model
class Bent(LinearGaussian):
    """Two wells at (-1, 0) and (1, 0); on the straight way a wall of height 4, above it a pass of height 1."""

    def population_loss(self, w):
        x, y = w["w"][0], w["w"][1]
        along = (x**2 - 1) ** 2
        return along + 3 * jnp.exp(-8 * x**2) * jnp.exp(-((y + 0.1) ** 2)) + 0.1 * (y - 2 * (1 - x**2)) ** 2


def test_a_path_goes_round_a_wall():
    model = Bent(dimension=2)
    ends = ({"w": jnp.asarray([[-1.0, 0.0]])}, {"w": jnp.asarray([[1.0, 0.0]])})
    found = lowest_paths(model, *ends)
    straight = max(
        float(model.population_loss({"w": jnp.asarray([x, 0.0])})) for x in np.linspace(-1, 1, 201)
    )
    grid = np.linspace(-3, 5, 1601)
    ridge = jax.vmap(lambda y: model.population_loss({"w": jnp.stack([0.0 * y, y])}))(jnp.asarray(grid))
    lowest = float(ridge.min())  # by symmetry the pass lies on x = 0
    assert float(found.top[0]) < 0.5 * straight
    assert float(found.top[0]) == pytest.approx(lowest, abs=0.03)


def test_superposition_from_5_plus_to_6_climbs_and_from_5_to_5_plus_does_not():
    model = Superposition(features=6)
    points = {phase.name: phase.point for phase in model.phases()}
    pairs = [("5+", "6"), ("5", "5+"), ("5", "6")]
    sources = [points[a] for a, _ in pairs]
    targets = [model.nearest_copy(points[b], points[a]) for a, b in pairs]
    found = lowest_paths(model, *(jax.tree.map(lambda *x: np.stack(x), *side) for side in (sources, targets)))
    climb = np.asarray(found.top - found.source)
    assert 0.006 < climb[0] < 0.008
    assert climb[1] == pytest.approx(0, abs=1e-6)
    assert climb[2] < 0.001


def test_the_nearest_copy_has_the_same_loss_and_is_nearer():
    model = Superposition(features=6)
    points = {phase.name: phase.point for phase in model.phases()}
    copy = model.nearest_copy(points["6"], points["5+"])
    loss = [float(model.population_loss(w)) for w in (points["6"], copy)]
    assert loss[0] == pytest.approx(loss[1], abs=1e-12)

    def apart(w):
        return sum(float(np.sum((w[k] - points["5+"][k]) ** 2)) for k in ("W", "b"))

    assert apart(copy) <= apart(points["6"])


def test_a_path_needs_a_population_loss():
    class Without(LinearGaussian):
        has_population_loss = False

    with pytest.raises(ValueError, match="population loss"):
        lowest_paths(Without(dimension=1), {"w": jnp.zeros((1, 1))}, {"w": jnp.ones((1, 1))})
