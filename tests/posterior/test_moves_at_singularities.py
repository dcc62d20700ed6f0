"""Moves of populations that concentrate on a singular set: invariant, and mixing where others do not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from slt.models.monomial import Monomial
from slt.posterior import hmc_moves, population
from slt.posterior.targets import potential

NBETA, PARTICLES = 1e16, 4096
MODEL = Monomial(exponents=((1, 1),))  # K = w1^2 w2^2 / 2


@pytest.fixture(scope="module")
def draws():
    """(P, 2) exact draws of exp(-nbeta K - |w|^2 / 2): w1 by its marginal on a grid of log |w1|, then w2."""
    rng = np.random.default_rng(0)
    x = np.linspace(-30, 2.5, 8001)
    density = np.exp(x - np.exp(2 * x) / 2) / np.sqrt(1 + NBETA * np.exp(2 * x))
    first = np.exp(rng.choice(x, PARTICLES, p=density / density.sum())) * rng.choice([-1, 1], PARTICLES)
    return np.stack([first, rng.normal(size=PARTICLES) / np.sqrt(1 + NBETA * first**2)], axis=1)


def moved(draws, kinds):
    """The draws after some rounds of moves at nbeta."""
    options = population.Options(PARTICLES, 0.9, 10, 2, 0.1, 8, 100, kinds)
    target = potential(MODEL, None, NBETA)
    one = population.from_prior(MODEL, options, jax.random.key(0))
    one = one._replace(particles={"w": jnp.asarray(draws)})
    step = jax.jit(lambda now, key: hmc_moves.move(now, target, options, key))
    for key in jax.random.split(jax.random.key(1), 10):
        one = step(one, key)
    return np.asarray(one.particles["w"])


def test_all_kinds_of_moves_leave_a_crossing_as_it_is_and_mix_it_where_plain_ones_do_not(draws):
    after, plain = moved(draws, population.ALL_KINDS), moved(draws, ("variance",))
    seen = {
        "energy": lambda w: NBETA / 2 * np.prod(w**2, axis=1),
        "inside": lambda w: (np.abs(w).max(axis=1) < 10 * NBETA**-0.25).astype(float),
        "log of the longer": lambda w: np.log(np.abs(w).max(axis=1)),
    }
    for name, of in seen.items():
        error = np.hypot(of(draws).std(), of(after).std()) / PARTICLES**0.5
        assert abs(of(after).mean() - of(draws).mean()) < 4 * error, name
    inside = seen["inside"](draws) > 0
    assert inside.sum() > 50

    def jump(w, rows):  # nats, of the longer weight
        before = seen["log of the longer"](draws[rows])
        return np.mean(np.abs(seen["log of the longer"](w[rows]) - before))

    assert jump(after, inside) > 0.5 > 10 * jump(plain, inside)
    # log(NBETA) / 4 nats of arm, uniformly: a third of that between independent draws
    assert jump(after, ~inside) > 0.9 * np.log(NBETA) / 12 > 50 * jump(plain, ~inside)
