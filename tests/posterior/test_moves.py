"""Moves of populations that symmetry spreads in some directions and data narrow in others."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from slt.posterior import hmc_moves, population
from slt.posterior.targets import Potential

N, PARTICLES, ROUNDS = 1e6, 1024, 2


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Ring:
    """A circle that no data break, and beside it a coordinate that they do: what k-gons and biases are like."""

    def log_prior(self, w):
        return -jnp.sum(w["ring"] ** 2 + w["beside"] ** 2) / 2

    def sample_prior(self, key):
        first, second = jax.random.split(key)
        return {"ring": jax.random.normal(first, (2,)), "beside": jax.random.normal(second, (2,))}

    def population_loss(self, w):
        return (jnp.linalg.norm(w["ring"]) - 1) ** 2 / 2 + jnp.sum(w["beside"] ** 2) / 2


def moved(kinds):
    """Exact draws but for 1/N, and where they are after `ROUNDS` of moves."""
    options = population.Options(PARTICLES, 0.5, 10, 6 // len(kinds), 0.3, 4, 100, kinds)
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 2 * np.pi, PARTICLES), 1 + rng.normal(size=PARTICLES) / N**0.5
    ring = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    start = {"ring": ring, "beside": rng.normal(size=(PARTICLES, 2)) / N**0.5}
    target = Potential(Ring(), None, jnp.float64(N), jnp.float64(1))
    one = population.from_prior(Ring(), options, jax.random.key(0))
    # step sizes that suit these moves
    one = one._replace(
        particles=jax.tree.map(jnp.asarray, start),
        step_size=jnp.where(np.array(kinds) == "gradient", 0.5, 1e-3),
    )
    step = jax.jit(lambda now, key: hmc_moves.move(now, target, options, key))
    for key in jax.random.split(jax.random.key(1), ROUNDS):
        one = step(one, key)
    return start, jax.tree.map(np.asarray, one.particles), float(one.acceptance)


@pytest.mark.parametrize(
    ("kinds", "decorrelates"),
    [(("gradient",), True), (("gradient", "variance"), True), (("variance",), False)],
)
def test_what_data_narrow_is_decorrelated_however_far_symmetry_spreads_the_rest(kinds, decorrelates):
    start, end, acceptance = moved(kinds)
    assert 0.4 < acceptance < 1
    memory = np.corrcoef(start["beside"].ravel(), end["beside"].ravel())[0, 1]
    assert abs(memory) < 0.15 if decorrelates else memory > 0.9
    for name, width in (("beside", N**-0.5), ("radius", N**-0.5)):
        value = end["beside"][:, 0] if name == "beside" else np.linalg.norm(end["ring"], axis=1) - 1
        assert value.std() == pytest.approx(width, rel=4 / np.sqrt(2 * PARTICLES)), name
