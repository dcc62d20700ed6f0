"""The No-U-Turn sampler (Hoffman and Gelman 2014), numpyro's, with all chains in one compiled program.

NUTS is the cross-check of data tempering where chains still mix between phases. Where they do not, the diagnostics
show it: R-hat and effective sample size are computed on the loss, which no symmetry of the model moves.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import numpy as np
from numpyro.diagnostics import effective_sample_size, split_gelman_rubin
from numpyro.infer.hmc import hmc

from slt.posterior.per_n import Sampler
from slt.posterior.targets import Potential
from slt.records.base import OK
from slt.records.posterior import Posterior
from slt.runtime.devices import spread_populations


@dataclasses.dataclass(frozen=True)
class NUTS(Sampler):
    """Chains from independent prior draws; a repeat of the record is a chain, its draws in order.

    Info, per chain: "ess" of the loss (all chains together, shared out evenly), "r_hat" of the loss (split,
    the same for all chains), "acceptance", and "divergences". Log evidence is NaN: the method gives none.
    """

    chains: int = 8
    warmup: int = 500
    samples: int = 1000
    target_acceptance: float = 0.8
    max_tree_depth: int = 8

    def __post_init__(self) -> None:
        for name, least in (("chains", 1), ("warmup", 1), ("samples", 4), ("max_tree_depth", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if not 0 < self.target_acceptance < 1:
            raise ValueError(
                f"target_acceptance must lie strictly between 0 and 1, not {self.target_acceptance}"
            )

    @property
    def draws_per_n(self) -> int:
        return self.chains * self.samples

    def __call__(self, potential: Potential, key: jax.Array) -> Posterior:
        draws, loss, accepted, diverging = _chains(
            potential, spread_populations(jax.random.split(key, self.chains)), options=self
        )
        loss = np.asarray(loss)
        finite = bool(np.all(np.isfinite(loss)))
        r_hat = float(split_gelman_rubin(loss)) if finite else np.nan
        ess = float(effective_sample_size(loss)) if finite else 0.0
        diverged = np.asarray(diverging).sum(axis=1)
        return Posterior(
            draws=jax.tree.map(np.asarray, draws),
            log_weights=np.full(loss.shape, -np.log(self.samples)),
            loss=loss,
            log_evidence=np.full(self.chains, np.nan),
            info={
                "ess": np.full(self.chains, ess / self.chains),
                "r_hat": np.full(self.chains, r_hat),
                "acceptance": np.asarray(accepted).mean(axis=1),
                "divergences": diverged.astype(float),
            },
            status=np.array([self._status(finite, r_hat, int(d)) for d in diverged]),
        )

    def _status(self, finite: bool, r_hat: float, diverged: int) -> str:
        if not finite:
            return "not finite: a chain's loss is not a number"
        if diverged > 0.05 * self.samples:
            return f"divergent: {diverged} of {self.samples} draws"
        if r_hat > 1.1:
            return f"not mixed: R-hat of the loss is {r_hat:.2f}, over 1.1"
        return OK


@partial(jax.jit, static_argnames=("options",))
def _chains(potential: Potential, keys: jax.Array, *, options: NUTS) -> tuple[Any, Any, Any, Any]:
    """Draws (chain, draw, ...), their losses, acceptance and divergences, each (chain, draw)."""
    init, sample = hmc(potential_fn=lambda w: -potential.log_density(w), algo="NUTS")

    def chain(key: jax.Array) -> tuple[Any, Any, Any, Any]:
        prior_key, key = jax.random.split(key)
        state = init(
            potential.model.sample_prior(prior_key),
            num_warmup=options.warmup,
            target_accept_prob=options.target_acceptance,
            max_tree_depth=options.max_tree_depth,
            rng_key=key,
        )
        state = jax.lax.fori_loop(0, options.warmup, lambda _, s: sample(s), state)

        def draw(state: Any, _: None) -> tuple[Any, Any]:
            state = sample(state)
            return state, (state.z, potential.loss(state.z), state.accept_prob, state.diverging)

        return jax.lax.scan(draw, state, None, length=options.samples)[1]

    return jax.vmap(chain)(keys)
