"""Langevin walks of networks: minibatches corrected by the gradient at the point, a preconditioner that is held.

A step is that of Lau et al. 2023 (arXiv:2308.12108) with a diagonal preconditioner P that is held fixed,

    w += (step_size / 2) P (-nbeta g - gamma (w - point)) + sqrt(step_size P) N(0, I),
    P = 1 / (gamma + nbeta |H_i|),

|H_i| being the norm of the Hessian's row at the point (as in AdaHessian, Yao et al. 2021, arXiv:2006.00719): so stiff
directions take small steps and flat ones large ones, which decorrelate at the rate step_size / 2 a step. The gradient
is that of a fresh minibatch B, corrected by what it says at the point, where the gradient is known well:

    g = grad L_B(w) - grad L_B(point) + grad L(point)

(Baker et al. 2019, "Control variates for stochastic gradient MCMC", arXiv:1706.05439). Chains stay near their point,
so that most of the noise cancels, in the gradient and in what a draw is worth,

    nbeta (L_B(w) - L_B(point) - (grad L_B(point) - grad L(point)) (w - point)).

Chains start at a draw of N(point, P): directions that are as flat as P says are at rest from the first step, stiffer
ones soon after. From the point itself, all would have to spread first.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.llc.mcmc import gradients
from slt.llc.mcmc.gradients import Expansion, Setting
from slt.llc.mcmc.options import MinibatchOptions
from slt.records.base import Array

BLOCK = 50  # draws averaged before a mean below the point's loss counts as lower
DIVERGED = 1e6  # nats of nbeta K at which a chain is left out


class Walks(NamedTuple):
    """How chains walk, and where they start: at 0 or 1 standard deviations of N(point, P)."""

    step_size: float
    localization: float
    burn_in: int
    spread: float = 1.0


class Around(NamedTuple):
    """Points (point, d), what the loss is like there, and square roots of P (point, d)."""

    points: Any
    expansion: Expansion
    scale: Any


def around_points(options: MinibatchOptions, setting: Setting, points: jax.Array, gamma: float) -> Around:
    look = partial(gradients.at_points, setting, observations=options.control_variate_size)
    expansion = gradients.in_turn(look, options.points_per_batch, points)
    return scaled(Around(points, expansion, None), setting, gamma)


def scaled(around: Around, setting: Setting, gamma: float) -> Around:
    """`around` with P at another localization."""
    return around._replace(scale=(gamma + float(setting.nbeta) * around.expansion.curvature) ** -0.5)


def walk(
    options: MinibatchOptions, setting: Setting, around: Around, walks: Walks, key: jax.Array
) -> tuple[Array, jax.Array]:
    """nbeta K (point, chain, draw), and where the chains end (point, chain, d)."""
    some = partial(_walk, setting, walks, draws=options.draws, batch=options.batch)
    keys = jax.random.split(key, (len(around.points), options.chains))
    energy, end = gradients.in_turn(some, options.points_per_batch, around, keys)
    return energy.astype(float), end


@partial(jax.jit, static_argnames=("draws", "batch"))
def _walk(
    setting: Setting, walks: Walks, around: Around, keys: jax.Array, *, draws: int, batch: int
) -> tuple[jax.Array, jax.Array]:
    def chain(around: Around, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        point, gradient = around.points, around.expansion.gradient
        scale = setting.mask * around.scale
        step_size, gamma, spread = (
            jnp.asarray(one, point.dtype) for one in (walks.step_size, walks.localization, walks.spread)
        )

        def step(u: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
            pick, shake = jax.random.split(key)
            some = gradients.draw(setting, pick, batch)
            (here, rising), (there, known) = (
                jax.value_and_grad(gradients.batch_loss)(w, setting, some) for w in (point + u, point)
            )
            excess = setting.mask * known - gradient
            energy = setting.nbeta * (here - there - excess @ u)
            drift = -(setting.nbeta * (rising - excess) + gamma * u)
            noise = jax.random.normal(shake, u.shape, u.dtype)
            return u + step_size / 2 * scale**2 * drift + jnp.sqrt(step_size) * scale * noise, energy

        start, first, second = jax.random.split(key, 3)
        u = spread * scale * jax.random.normal(start, point.shape, point.dtype)
        u = jax.lax.fori_loop(0, walks.burn_in, lambda i, u: step(u, jax.random.fold_in(first, i))[0], u)
        u, energy = jax.lax.scan(step, u, jax.random.split(second, draws))
        return energy, point + u

    over_chains = jax.vmap(chain, in_axes=(None, 0))
    return jax.vmap(over_chains)(around, keys)


def lower_share(energy: Array) -> Array:
    """(point,) share of blocks of draws whose mean lies below the point's loss."""
    blocks = np.array_split(energy, max(1, energy.shape[2] // BLOCK), axis=2)
    return np.mean([block.mean(axis=2) < 0 for block in blocks], axis=(0, 2))
