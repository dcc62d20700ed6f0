"""Langevin walks of networks: minibatches corrected by the gradient at the point, a preconditioner that is held.

A step is that of Lau et al. 2023 (arXiv:2308.12108) with a diagonal preconditioner P that is held fixed,

    w += (e / 2) P (-t g - gamma (w - point)) + sqrt(e P) N(0, I),       P = 1 / (gamma + t |H_i|),

|H_i| being the norm of the Hessian's row at the point (as in AdaHessian, Yao et al. 2021, arXiv:2006.00719): so stiff
directions take small steps and flat ones large ones, which forget at the rate e / 2 a step. The gradient is that of a
fresh minibatch B; it is corrected by what the same minibatch says at the point, where the gradient is known well:

    g = grad L_B(w) - grad L_B(point) + grad L(point)

(Baker et al. 2019, "Control variates for stochastic gradient MCMC", arXiv:1706.05439). Chains stay near their point,
so that most of the noise cancels, in the gradient and in what a draw is worth,

    t (L_B(w) - L_B(point) - (grad L_B(point) - grad L(point)) (w - point)).

Chains start at a draw of N(point, P): directions that are as flat as P says are at rest from the first step, stiffer
ones soon after. From the point itself, all would have to spread first.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from slt.llc.mcmc import gradients
from slt.llc.mcmc.gradients import Setting, Slope
from slt.records.base import Array

BLOCK = 50  # draws averaged before a mean below the point's loss counts as lower
LOST = 1e6  # nats of t K at which a chain is given up


class Plan(Protocol):
    """What a walk needs of `minibatch.Minibatch`, where each is explained."""

    @property
    def chains(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def anchor(self) -> int: ...
    @property
    def step_size(self) -> float | None: ...
    @property
    def localization(self) -> float | None: ...
    @property
    def burn_in(self) -> int: ...
    @property
    def draws(self) -> int: ...
    @property
    def together(self) -> int: ...


class Walks(NamedTuple):
    """How chains walk: e, gamma, steps, and where they start: at 0 or 1 standard deviations of N(point, P)."""

    step_size: float
    localization: float
    burn_in: int
    spread: float = 1.0


class Around(NamedTuple):
    """Points (point, d), what the loss is like there, and square roots of P (point, d)."""

    points: Any
    slope: Slope
    scale: Any


def around_points(plan: Plan, setting: Setting, points: jax.Array, gamma: float) -> Around:
    look = partial(gradients.at_points, setting, observations=plan.anchor)
    slope = gradients.in_turn(look, plan.together, points)
    return scaled(Around(points, slope, slope.bend), setting, gamma)


def scaled(around: Around, setting: Setting, gamma: float) -> Around:
    return around._replace(scale=(gamma + float(setting.t) * around.slope.bend) ** -0.5)


def walked(
    plan: Plan, setting: Setting, around: Around, walks: Walks, key: jax.Array
) -> tuple[Array, jax.Array]:
    """t K (point, chain, draw), and where the chains end (point, chain, d)."""
    walk = partial(_walk, setting, walks, draws=plan.draws, batch=plan.batch)
    keys = jax.random.split(key, (len(around.points), plan.chains))
    energy, end = gradients.in_turn(walk, plan.together, around, keys)
    return energy.astype(float), end


@partial(jax.jit, static_argnames=("draws", "batch"))
def _walk(
    setting: Setting,
    walks: Walks,
    around: Around,
    keys: jax.Array,
    *,
    draws: int,
    batch: int,
) -> tuple[jax.Array, jax.Array]:
    """See `walked`."""

    def chain(around: Around, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        point, gradient = around.points, around.slope.gradient
        scale = setting.free * around.scale
        e, gamma, spread = (
            jnp.asarray(one, point.dtype) for one in (walks.step_size, walks.localization, walks.spread)
        )

        def step(u: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
            pick, shake = jax.random.split(key)
            some = gradients.draw(setting, pick, batch)
            (here, slope), (there, known) = (
                jax.value_and_grad(gradients.batch_loss)(w, setting, some) for w in (point + u, point)
            )
            excess = setting.free * known - gradient
            energy = setting.t * (here - there - excess @ u)
            drift = -(setting.t * (slope - excess) + gamma * u)
            noise = jax.random.normal(shake, u.shape, u.dtype)
            return u + e / 2 * scale**2 * drift + jnp.sqrt(e) * scale * noise, energy

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


def given_up(energy: Array) -> Array:
    """`energy` with chains that ran away as not finite."""
    whole = (np.abs(np.nan_to_num(energy, nan=np.inf)) < LOST).all(axis=2)
    return np.where(whole[:, :, None], energy, np.inf)
