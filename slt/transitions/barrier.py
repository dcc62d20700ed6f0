"""How high the loss rises on the lowest known path between two points: the string method on the population loss.

A string of images joins two parameters. Each image descends the loss, and the images are spread evenly along the
string again, until it lies along a path of steepest descent through a pass (E, Ren and Vanden-Eijnden 2007,
"Simplified and improved string method", doi:10.1063/1.2720838). The descent is Adam's with a rate that falls to zero.
What is reported is the highest loss on the broken line through the images, which bounds the lowest pass from above
whether or not the string has converged.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from slt.models.base import Model, Params

IMAGES, STEPS, RATE = 33, 2000, 1e-2
BETWEEN = 8  # points looked at between two images


class Barrier(NamedTuple):
    """The highest loss on the path and those at its ends, nats per observation, each (pair,)."""

    top: jax.Array
    source: jax.Array
    target: jax.Array


def lowest_paths(model: Model, sources: Params, targets: Params) -> Barrier:
    """The string method between pairs of points, all in one batch.

    Args:
      model: with a population loss.
      sources, targets: parameters with the leading axis (pair,). Where the loss has symmetries, the caller chooses
        the copy of the target that lies nearest to the source.

    Raises ValueError for a model without a population loss.
    """
    if not model.has_population_loss:
        raise ValueError("a path between phases needs a population loss, and this model has none")
    return _all(model, sources, targets)


@jax.jit
def _all(model: Model, sources: Params, targets: Params) -> Barrier:
    return jax.vmap(lambda a, b: _one(model, a, b))(sources, targets)


def _one(model: Model, source: Params, target: Params) -> Barrier:
    start, unravel = ravel_pytree(source)
    stop, _ = ravel_pytree(target)

    def loss(flat: jax.Array) -> jax.Array:
        return model.population_loss(unravel(flat))

    descent = optax.adam(optax.cosine_decay_schedule(RATE, STEPS))
    images = start + jnp.linspace(0, 1, IMAGES)[:, None] * (stop - start)

    def step(carry: tuple[jax.Array, Any], _: None) -> tuple[tuple[jax.Array, Any], None]:
        images, state = carry
        slope = jax.vmap(jax.grad(loss))(images)
        change, state = descent.update(jnp.nan_to_num(slope), state)
        moved = (images + change).at[0].set(start).at[-1].set(stop)
        return (_even(moved), state), None

    (images, _), _ = jax.lax.scan(step, (images, descent.init(images)), None, length=STEPS)
    share = jnp.linspace(0, 1, BETWEEN, endpoint=False)[:, None, None]
    line = images[:-1] + share * jnp.diff(images, axis=0)
    seen = jax.vmap(loss)(jnp.concatenate([line.reshape(-1, start.size), stop[None]]))
    return Barrier(jnp.max(seen), seen[0], seen[-1])


def _even(images: jax.Array) -> jax.Array:
    """The same broken line, its images at equal distances along it."""
    lengths = jnp.linalg.norm(jnp.diff(images, axis=0), axis=1)
    along = jnp.concatenate([jnp.zeros(1), jnp.cumsum(lengths)])
    wanted = jnp.linspace(0, along[-1], len(images))
    return jax.vmap(lambda column: jnp.interp(wanted, along, column), in_axes=1, out_axes=1)(images)
