"""Moves along the arms of a crossing, where parameters are few: scaling moves, and difference moves after them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from slt.models.base import Params
from slt.posterior.targets import Potential

PAIRED = 10  # dimensions up to which pairs of parameters are so few that rescaling them at random pays
PER_DIMENSION = 4  # of these moves for each dimension
DIFFERENCES = 4  # dimensions up to which a difference move follows each
SHORTEST, LONGEST = 0.1, 30.0  # nats by which they rescale


def scaling_moves(particles: Params, target: Potential, key: jax.Array) -> Params:
    """Every particle after proposals that multiply one parameter by exp(s) and divide another by exp(b s).

    Along the arms of w1^2 w2^2 the posterior is nearly uniform in log |w1| at constant w1 w2: at inverse temperature
    nbeta an arm is log(nbeta) / 2 nats long, of which a trajectory with the step size that its tip needs, where
    w2 ~ nbeta^-1/2, covers next to nothing. s is as likely as -s, and neither it nor b depends on the particle: with
    the Jacobian exp(s - b s) the acceptance rule is that of Metropolis and Hastings.

    In very few dimensions each is followed by a difference move, which adds a random share of the difference of two
    particles of the other half (ter Braak 2006, Statistics and Computing 16, 239-249): along a straight valley that
    is not parallel to the axes, as in mixtures, differences point along it. Beyond, such a random walk is slower than
    trajectories.
    """
    one = jax.tree.map(lambda leaf: leaf[0], particles)
    dimension = ravel_pytree(one)[0].size
    if not 1 < dimension <= PAIRED:
        return particles
    unflatten = ravel_pytree(one)[1]
    flat = jax.vmap(lambda w: ravel_pytree(w)[0])(particles)
    shape = (PER_DIMENSION * dimension, len(flat))
    grow, other, balance, size, accept = jax.random.split(key, 5)
    grows = jax.random.randint(grow, shape, 0, dimension)
    shrinks = (grows + jax.random.randint(other, shape, 1, dimension)) % dimension
    b = 2.0 ** jax.random.randint(balance, shape, -1, 2)
    way = jax.random.uniform(size, shape, minval=-1.0)
    s = jnp.sign(way) * SHORTEST * (LONGEST / SHORTEST) ** jnp.abs(way)
    log_u = jnp.log(jax.random.uniform(accept, shape))
    differences = _differences(flat, shape, jax.random.fold_in(key, 5)) if dimension <= DIFFERENCES else None
    density_of = jax.vmap(lambda position: target.log_density(unflatten(position)))
    State = tuple[jax.Array, jax.Array]

    def decide(state: State, proposal: jax.Array, threshold: jax.Array) -> State:
        position, density = state
        proposed = density_of(proposal)
        taken = threshold < proposed - density
        return jnp.where(taken[:, None], proposal, position), jnp.where(taken, proposed, density)

    def propose(state: State, draw: Any) -> tuple[State, None]:
        (grows, shrinks, s, b, log_u), difference = draw
        entry = jnp.arange(dimension)
        stretch = jnp.where(entry == grows[:, None], s[:, None], 0.0)
        stretch = jnp.where(entry == shrinks[:, None], -(b * s)[:, None], stretch)
        state = decide(state, state[0] * jnp.exp(stretch), log_u - (1 - b) * s)
        if difference is not None:
            state = decide(state, state[0] + difference[0], difference[1])
        return state, None

    draws = ((grows, shrinks, s, b, log_u), differences)
    (flat, _), _ = jax.lax.scan(propose, (flat, density_of(flat)), draws)
    return jax.vmap(unflatten)(flat)


def _differences(flat: jax.Array, shape: tuple[int, int], key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Random shares of two particles' differences (proposal, P, d), and logs of uniform draws (proposal, P)."""
    half = len(flat) // 2
    first, second, share, accept = jax.random.split(key, 4)
    second_half = jnp.arange(len(flat)) >= half
    low, high = jnp.where(second_half, 0, half), jnp.where(second_half, half, len(flat))
    a, b = (jax.random.randint(one, shape, low, high) for one in (first, second))
    difference = jax.random.uniform(share, shape)[..., None] * (flat[a] - flat[b])
    return difference, jnp.log(jax.random.uniform(accept, shape))
