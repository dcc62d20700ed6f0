"""Every sampler, as simulation-based calibration needs it: independent draws, equally weighted.

* Quadrature, SMC, the ladder: resampled by weight, from all repeats together. The populations hold many times more
  particles than are drawn, since particles with common ancestors are not quite independent.
* NUTS: evenly spaced along each chain.
* HMC, MALA and SGLD, the chains of `slt.llc`: as many chains as draws, the last position of each, so that draws are
  independent by construction. Their target, localized around the origin at nbeta = n, is the posterior (`sbc_cases`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from scripts.sbc_cases import Case, Replications
from slt.llc.mcmc import kernels
from slt.llc.mcmc.kernels import Kernel
from slt.models.base import Data, Params
from slt.posterior.base import LadderSampler
from slt.posterior.data_tempering import DataTempering
from slt.posterior.nuts import NUTS
from slt.posterior.quadrature import Quadrature
from slt.posterior.smc import SMC
from slt.posterior.targets import Neighborhood, Potential, potential
from slt.records.base import OK
from slt.records.posterior import Ladder
from slt.runtime.long_computation import drive

DRAWS = 63  # L: ranks go from 0 to 63
SAMPLE_SIZES = (2, 7, 20)
N = SAMPLE_SIZES[-1]
CHAINS = 7  # of NUTS
NUTS_OPTIONS = NUTS(chains=CHAINS, warmup=300, samples=20 * DRAWS // CHAINS)
LADDERS: dict[str, tuple[LadderSampler, tuple[int, ...]]] = {
    "quadrature": (Quadrature(cells=512), (N,)),
    "SMC": (SMC(particles=192, repeats=2), (N,)),
    "ladder": (DataTempering(particles=192, repeats=2), SAMPLE_SIZES),
    "NUTS": (NUTS_OPTIONS, (N,)),
}
LEAPFROG = 8
BATCH = 5  # observations in a gradient of SGLD, where not all are
BURN_IN = {"hmc": 150, "mala": 300}
STEPS = {"hmc": 60, "mala": 300, "sgld": 400}


class Drawn(NamedTuple):
    """Draws w (replication, draw, ...) from the posterior at `n`, and the status of each replication."""

    n: int
    w: Params
    status: np.ndarray


def sample_ladder(name: str, case: Case, made: Replications, key: jax.Array) -> Ladder:
    """A `LadderSampler` on every replication, each a data set."""
    sampler, sample_sizes = LADDERS[name]
    return drive(sampler.stage(case.model, made.data, sample_sizes), key)


def drawn_from(ladder: Ladder, key: jax.Array, ordered: bool = False) -> list[Drawn]:
    """Independent draws from each sample size: spaced evenly where draws are `ordered` (chains), else resampled."""
    thin = _spaced if ordered else _resampled
    found = []
    for n_index, n in enumerate(ladder.sample_sizes):
        status = np.array([_worst(repeats) for repeats in ladder.status[:, n_index]])
        found.append(Drawn(int(n), thin(ladder, n_index, jax.random.fold_in(key, n_index)), status))
    return found


def _worst(statuses: np.ndarray) -> str:
    return next((str(status) for status in statuses if status != OK), OK)


def _resampled(ladder: Ladder, n_index: int, key: jax.Array) -> Params:
    """Draws by weight, with replacement, from every repeat at a sample size."""
    weights = np.exp(ladder.log_weights[:, n_index]).reshape(len(ladder.log_weights), -1)

    @jax.jit
    @jax.vmap
    def chosen(key: jax.Array, weights: jax.Array) -> jax.Array:
        return jax.random.choice(key, weights.size, (DRAWS,), p=weights / weights.sum())

    which = np.asarray(chosen(jax.random.split(key, len(weights)), jnp.asarray(weights)))
    rows = np.arange(len(weights))[:, None]
    return {
        name: leaf[:, n_index].reshape(*weights.shape, *leaf.shape[4:])[rows, which]
        for name, leaf in ladder.draws.items()
    }


def _spaced(ladder: Ladder, n_index: int, key: jax.Array) -> Params:
    every = ladder.loss.shape[-1] * ladder.loss.shape[-2] // DRAWS
    thinned = {name: leaf[:, n_index, :, every - 1 :: every] for name, leaf in ladder.draws.items()}
    return {name: leaf.reshape(len(leaf), DRAWS, *leaf.shape[3:]) for name, leaf in thinned.items()}


def by_chains(algorithm: str, case: Case, made: Replications, key: jax.Array) -> Drawn:
    """HMC or MALA of `slt.llc`, tuned and burnt in at its target, and then run at a fixed step size."""

    def one(data: Data, key: jax.Array) -> Params:
        first, second = jax.random.split(key)
        setting = localized(case, data, 1.0)
        walkers = kernels.start(1, DRAWS, setting.scale.shape[1])
        kernel = Kernel(algorithm, LEAPFROG)
        walkers, size, _, _ = kernels.tune(setting, walkers, first, kernel=kernel, length=BURN_IN[algorithm])
        setting = setting._replace(step_size=size)
        walkers, _, _ = kernels.walk(setting, walkers, second, kernel=kernel, length=1, thin=STEPS[algorithm])
        return _positions(setting, walkers)

    return _drawn(jax.jit(jax.vmap(one)), made, key)


def by_langevin(
    steps: tuple[float, ...], batch: int | None, case: Case, made: Replications, key: jax.Array
) -> list[Drawn]:
    """SGLD of `slt.llc`, from exact gradients or batches, at each of `steps`: step sizes in units of
    1 / (n + gamma)."""

    def one(data: Data, key: jax.Array, step: jax.Array) -> Params:
        setting = localized(case, data, step)
        walkers = kernels.start(1, DRAWS, setting.scale.shape[1])
        weights = jnp.ones(jax.tree.leaves(data)[0].shape[0])
        kernel = Kernel("sgld", batch=batch)
        walkers, _, _ = kernels.walk(
            setting, walkers, key, data, weights, kernel=kernel, length=1, thin=STEPS["sgld"]
        )
        return _positions(setting, walkers)

    @jax.jit
    def run(data: Data, keys: jax.Array, step: jax.Array) -> Params:
        return jax.vmap(one, in_axes=(0, 0, None))(data, keys, step)

    return [_drawn(functools.partial(run, step=jnp.asarray(step)), made, key) for step in steps]


def _drawn(run: Callable[[Data, jax.Array], Params], made: Replications, key: jax.Array) -> Drawn:
    """What `run` draws for each data set; a replication in which a draw is not finite says so."""
    w = run(made.data, jax.random.split(key, len(jax.tree.leaves(made.data)[0])))
    finite = [np.isfinite(np.asarray(leaf)).reshape(len(leaf), -1).all(axis=1) for leaf in w.values()]
    status = np.where(np.all(finite, axis=0), OK, "not finite: a chain diverged")
    return Drawn(N, jax.tree.map(np.asarray, w), status)


def localized(case: Case, data: Data, step: Any) -> kernels.Setting:
    """Chains around the origin at nbeta = n and gamma = 1 / s^2, where the localizing prior is the model's own."""
    rows = jax.tree.leaves(data)[0].shape[0]
    full = potential(case.model, data, jnp.ones(rows))  # beta = 1, so that nbeta = n
    center = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), case.model.sample_prior(jax.random.key(0)))
    gamma = jnp.asarray(case.scale**-2.0)
    around: Any = Neighborhood(case.model, center, jnp.zeros(()), gamma)
    around, n, beta = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], (around, full.n, full.beta))
    dimension = ravel_pytree(center)[0].size
    size = jnp.full(1, step / (rows + case.scale**-2.0))
    return kernels.Setting(Potential(around, full.summary, n, beta), size, jnp.ones((1, dimension)))


def _positions(setting: kernels.Setting, walkers: kernels.Walkers) -> Params:
    """The last position of each chain, as the model's parameters."""
    around: Any = jax.tree.map(lambda leaf: leaf[0], setting.target.model)
    offsets = setting.scale[0] * walkers.u[0]
    return jax.vmap(lambda offset: around.at({"offset": offset}))(offsets)
