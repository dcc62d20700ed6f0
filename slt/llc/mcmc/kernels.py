"""Steps of chains around many points at once, with a Metropolis test or without, in one compiled program.

A chain walks in u, where offset = scale * u: a diagonal preconditioner is nothing but `scale`, and is constant while
draws are kept, so that the chain's target is what it should be. One Langevin step in u is

    u + (step_size / 2) grad log p(u) + sqrt(step_size) N(0, I),

the convention of Welling and Teh 2011 and of Lau et al. 2023 (arXiv:2308.12108); BlackJAX's is step_size / 2.

Without a test, the noise of steps, and which observations make the minibatch, are drawn for many steps at once: with
BlackJAX's `overdamped_langevin`, which draws them step by step, a step of a chain took 9.0 microseconds and not 4.4
(superposition, batches of 100 of 1,000 observations, one core). Losses of a minibatch are float32, as in training:
what they round is nothing beside its noise. Positions are float64, and so are the losses of draws.

`Walkers` holds every chain of every point. The functions are jitted; sizes and the kernel are static.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.posterior.targets import Potential
from slt.runtime.jax_setup import cast, import_untraced

DECAY = {"none": 0.99, "rmsprop": 0.99, "adam": 0.999}  # of the running mean of squared gradients
_NUMBERS = 4096  # of a chain, drawn at once, about


class Kernel(NamedTuple):
    """The step of a chain: "sgld" (unadjusted), "mala" or "hmc"; see `sgld.SGLD` and `metropolis.Metropolis`."""

    algorithm: str
    leapfrog_steps: int = 1
    preconditioner: str = "none"
    batch: int | None = None

    @property
    def target_acceptance(self) -> float:
        """Of the adjusted walk: an unadjusted one is trusted at the step size where that accepts nearly always."""
        return {"sgld": 0.995, "mala": 0.6, "hmc": 0.8}[self.algorithm]


class Setting(NamedTuple):
    """Where and how the chains of each point walk; every leaf but `target`'s summary has the axis (point,).

    Attributes:
      target: the neighborhood's potential at the inverse temperature of the chains.
      step_size: (point,).
      scale: (point, k) of each entry that may move.
    """

    target: Potential
    step_size: jax.Array
    scale: jax.Array


class Walkers(NamedTuple):
    """Positions (point, chain, k) and running means of squared gradients (point, k), decayed at `DECAY`."""

    u: jax.Array
    squares: jax.Array


def start(points: int, chains: int, dimension: int) -> Walkers:
    """All chains at their point."""
    shapes = (points, chains, dimension), (points, dimension)
    return Walkers(*jax.device_put([np.zeros(shape) for shape in shapes]))


def _axes(setting: Setting) -> Any:
    """Which axis of each leaf is (point,): the first, but the summary is shared."""
    where = jax.tree.map(lambda _: 0, setting)
    summary = jax.tree.map(lambda _: None, setting.target.summary)
    return where._replace(target=dataclasses.replace(where.target, summary=summary))


def _log_density(setting: Setting, u: jax.Array) -> jax.Array:
    return setting.target.log_density({"offset": setting.scale * u})


def _energy(setting: Setting, u: jax.Array) -> jax.Array:
    return setting.target.energy({"offset": setting.scale * u})


def _over_chains(chain: Any, setting: Setting, walkers: Walkers, key: jax.Array) -> Any:
    """`chain(setting, u, key)` of every chain of every point."""
    points, chains, _ = walkers.u.shape
    keys = jax.random.split(key, (points, chains))
    over_chains = jax.vmap(chain, in_axes=(None, 0, 0))
    return jax.vmap(over_chains, in_axes=(_axes(setting), 0, 0))(setting, walkers.u, keys)


def _adjusted(setting: Setting, kernel: Kernel) -> Any:
    """One adjusted step of one chain of one point: (key, u, step size) -> (u, acceptance, its first gradient)."""
    hmc, mala = (import_untraced(f"blackjax.mcmc.{name}") for name in ("hmc", "mala"))

    log_density = partial(_log_density, setting)

    def step(key: jax.Array, u: jax.Array, size: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        if kernel.algorithm == "hmc":
            state = hmc.init(u, log_density)
            trajectory, key = jax.random.split(key)
            # one length for all would let some directions come full circle
            jittered = jnp.sqrt(size) * jax.random.uniform(trajectory, minval=0.6, maxval=1.2)
            new, info = hmc.build_kernel()(
                key,
                state,
                log_density,
                jittered,
                jnp.ones_like(u),
                num_integration_steps=kernel.leapfrog_steps,
            )
        else:
            state = mala.init(u, log_density)
            new, info = mala.build_kernel()(key, state, log_density, size / 2)
        return new.position, info.acceptance_rate, state.logdensity_grad

    return step


@partial(jax.jit, static_argnames=("kernel", "length"))
def tune(
    setting: Setting, walkers: Walkers, key: jax.Array, *, kernel: Kernel, length: int
) -> tuple[Walkers, jax.Array, jax.Array, jax.Array]:
    """`length` adjusted steps (MALA for SGLD) in which the step size of each point seeks the target acceptance.

    Returns the walkers (with `squares` the decayed mean of squared gradients, bias-corrected), the step size
    (point,) averaged over the second half, the mean acceptance there (point,), and the trace of nbeta K
    (point, length), averaged over chains.
    """
    decay = DECAY[kernel.preconditioner]

    def point(setting: Setting, u: jax.Array, key: jax.Array) -> Any:
        adjusted = _adjusted(setting, kernel)

        def one(carry: Any, inputs: tuple[jax.Array, jax.Array]) -> Any:
            u, log_step, squares = carry
            k, key = inputs
            u, accepted, gradient = jax.vmap(adjusted, in_axes=(0, 0, None))(
                jax.random.split(key, len(u)), u, jnp.exp(log_step)
            )
            accepted = jnp.mean(jnp.nan_to_num(accepted))
            squares = decay * squares + (1 - decay) * jnp.mean(gradient**2, axis=0)
            log_step = log_step + 3 * (accepted - kernel.target_acceptance) / (1 + k) ** 0.6
            mean = jnp.mean(jax.vmap(partial(_energy, setting))(u))
            return (u, log_step, squares), (log_step, accepted, mean)

        zero = jnp.zeros(u.shape[1])
        steps = (jnp.arange(length), jax.random.split(key, length))
        (u, _, squares), (log_step, accepted, trace) = jax.lax.scan(
            one, (u, jnp.log(setting.step_size), zero), steps
        )
        late = slice(length // 2, None)
        walkers = Walkers(u, squares / (1 - decay**length))
        return walkers, jnp.exp(jnp.mean(log_step[late])), jnp.mean(accepted[late]), trace

    keys = jax.random.split(key, walkers.u.shape[0])
    return jax.vmap(point, in_axes=(_axes(setting), 0, 0))(setting, walkers.u, keys)


@partial(jax.jit, static_argnames=("kernel", "length", "thin"))
def walk(
    setting: Setting,
    walkers: Walkers,
    key: jax.Array,
    data: Any = None,
    weights: jax.Array | None = None,
    *,
    kernel: Kernel,
    length: int,
    thin: int,
) -> tuple[Walkers, jax.Array, jax.Array]:
    """`length` draws, `thin` steps apart, at fixed step sizes.

    Returns the walkers, nbeta K of each draw (point, chain, length) on all the data, and acceptance (point, chain),
    1 where nothing is tested. With a kernel's `batch`, gradients come from that many observations of `data`, drawn
    anew each step with replacement.
    """
    if kernel.algorithm == "sgld":
        data, weights = cast((data, weights), jnp.float32)
        chain: Any = partial(_unadjusted_chain, data, weights, kernel.batch, length, thin)
    else:
        chain = partial(_adjusted_chain, kernel, length, thin)
    u, energies, accepted = _over_chains(chain, setting, walkers, key)
    return walkers._replace(u=u), energies, accepted


def _adjusted_chain(
    kernel: Kernel, length: int, thin: int, setting: Setting, u: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    step = _adjusted(setting, kernel)

    def draw(u: jax.Array, key: jax.Array) -> Any:
        def one(u: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
            u, accepted, _ = step(key, u, setting.step_size)
            return u, accepted

        u, accepted = jax.lax.scan(one, u, jax.random.split(key, thin))
        return u, (_energy(setting, u), jnp.mean(accepted))

    u, (energies, accepted) = jax.lax.scan(draw, u, jax.random.split(key, length))
    return u, energies, jnp.mean(accepted)


def _unadjusted_chain(
    data: Any,
    weights: Any,
    batch: int | None,
    length: int,
    thin: int,
    setting: Setting,
    u: jax.Array,
    key: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    dimension = u.shape[0]
    each = thin * max(dimension, batch or 0)
    block = max(k for k in range(1, length + 1) if length % k == 0 and (k == 1 or k * each <= _NUMBERS))

    def draws(u: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        pick, noise = jax.random.split(key)
        rows = None if batch is None else _rows(pick, (block, thin, batch), len(weights))
        normal = jax.random.normal(noise, (block, thin, dimension), jnp.float64)
        u, kept = jax.lax.scan(draw, u, (rows, normal))
        return u, jax.vmap(partial(_energy, setting))(kept)

    def draw(u: jax.Array, inputs: Any) -> tuple[jax.Array, jax.Array]:
        u, _ = jax.lax.scan(step, u, inputs)
        return u, u

    def step(u: jax.Array, inputs: Any) -> tuple[jax.Array, None]:
        rows, normal = inputs
        log_density = partial(_log_density, setting)
        if rows is not None:
            log_density = partial(_batch_log_density, setting, data, weights, rows)
        change = setting.step_size / 2 * jax.grad(log_density)(u)
        return u + change + jnp.sqrt(setting.step_size) * normal, None

    u, energies = jax.lax.scan(draws, u, jax.random.split(key, length // block))
    return u, energies.reshape(-1), jnp.ones(())


def _rows(key: jax.Array, shape: tuple[int, ...], n: int) -> jax.Array:
    """Uniform on 0 .. n - 1, int32, up to n / 2^32: half the random bits and none of the divisions of `randint`."""
    bits = jax.random.bits(key, shape, jnp.uint32).astype(jnp.uint64)
    return ((bits * n) >> 32).astype(jnp.int32)


def _batch_log_density(
    setting: Setting, data: Any, weights: jax.Array, rows: jax.Array, u: jax.Array
) -> jax.Array:
    """An unbiased estimate of the log density at u (up to a constant), from the observations `rows` (batch,)."""
    around: Any = setting.target.model
    some, counted = jax.tree.map(lambda leaf: leaf[rows], (data, weights))
    model, some, counted = cast((around.model, some, counted), jnp.float32)
    w = {"offset": setting.scale * u}
    losses = model.losses(cast(around.at(w), jnp.float32), some)
    total = len(weights) / len(rows) * jnp.sum(counted * losses)
    return around.log_prior(w) - setting.target.beta * total


@partial(jax.jit, static_argnames=("batch",))
def gradient_noise(
    setting: Setting, walkers: Walkers, key: jax.Array, data: Any, weights: jax.Array, *, batch: int
) -> jax.Array:
    """(point,) variance that a gradient from `batch` observations adds to each entry of u, mean over entries, at
    where the chains stand."""

    def chain(setting: Setting, u: jax.Array, key: jax.Array) -> jax.Array:
        def gradient(rows: jax.Array) -> jax.Array:
            return jax.grad(partial(_batch_log_density, setting, data, weights, rows))(u)

        gradients = jax.vmap(gradient)(_rows(key, (16, batch), len(weights)))
        return jnp.mean(jnp.var(gradients, axis=0, ddof=1))

    return jnp.mean(_over_chains(chain, setting, walkers, key), axis=1)
