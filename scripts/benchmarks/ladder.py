"""The posterior: the whole ladder against its last n alone, its cost against n, and against numpyro's NUTS.

Superposition at six features; the ladder has 1,024 particles.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scripts.benchmarks.timing import paired, spread, timed

SAMPLE_SIZES = (20, 35, 60, 100, 150, 200, 300, 400, 600, 800, 1200, 2000)
PARTICLES, REPEATS, PAIRS, ROUNDS = 1024, 4, 2, 7
SIZES = (1_000, 10_000, 100_000, 1_000_000)
CHAINS, WARMUP, DRAWS = 8, 300, 700
NUTS_AT = (600, 5000)
OCCUPANCY_REPEATS = 8
NUTS_HEADER = [
    "n",
    "share, ladder",
    "ladder, per s",
    "share of each chain of NUTS",
    "NUTS, per s",
    "switches of chains",
    "ratio",
]


def rows() -> tuple[list[list[str]], dict[str, Any]]:
    whole, last = _ladder(SAMPLE_SIZES), _ladder(SAMPLE_SIZES[-1:])
    whole(), last()  # compiles
    both = paired(last, whole, PAIRS)
    row = both.row(
        f"the ladder of {len(SAMPLE_SIZES)} sample sizes to n = 2,000 (other); its last n alone (slt)",
        "at most 1.5",
    )
    return [row], {"ladder / last sample size alone": both.numbers()}


def cost_against_n() -> tuple[list[list[str]], list[dict[str, Any]]]:
    """From the prior to the posterior at n at one sample size: seconds, temperatures, and seconds for each log n."""
    runs = {n: _ladder((n,), repeats=2) for n in SIZES}
    info = {n: run().info for n, run in runs.items()}  # compiles
    taken: dict[int, list[float]] = {n: [] for n in SIZES}
    for _ in range(ROUNDS):  # in turn, so that a machine whose speed drifts slows all
        for n, run in runs.items():
            taken[n].append(timed(run))
    table: list[list[str]] = []
    numbers: list[dict[str, Any]] = []
    for n in SIZES:
        temperatures, steps = float(info[n]["temperatures"].max()), float(info[n]["mcmc_steps"].max())
        low, middle, high = spread(taken[n])
        each, log_n = 1e3 * middle / steps, np.log(n)
        table.append(
            [
                f"{n:,}",
                f"{middle:.3g} ({low:.3g} to {high:.3g})",
                f"{temperatures:.0f}",
                f"{each:.0f}",
                f"{middle / log_n:.3g} ({low / log_n:.3g} to {high / log_n:.3g})",
            ]
        )
        numbers.append(
            {"n": n, "seconds": taken[n], "median": middle, "temperatures": temperatures, "mcmc_steps": steps}
        )
    return table, numbers


def against_nuts() -> tuple[list[list[Any]], list[dict[str, Any]]]:
    """Effective draws of the 6-gons' occupancy for each second: the ladder's, and those of chains of NUTS."""
    table: list[list[Any]] = []
    numbers: list[dict[str, Any]] = []
    for n in NUTS_AT:
        sample_sizes = (*(size for size in SAMPLE_SIZES if size < n), n)
        run = _ladder(sample_sizes, repeats=OCCUPANCY_REPEATS)
        ladder = run()  # compiles
        took = timed(run)
        share = _is_hexagon(ladder.draws, (0, -1)).mean(axis=-1)  # (repeat,)
        p, variance = share.mean(), share.var(ddof=1) / len(share)
        effective = p * (1 - p) / variance if variance > 0 else np.nan
        chains, nuts_took = _nuts(n)
        theirs = _effective(chains)
        switches = int(np.abs(np.diff(chains, axis=1)).sum())
        numbers.append(
            {
                "n": n,
                "ladder": {"share": p, "error": variance**0.5, "seconds": took, "effective": effective},
                "nuts": {
                    "share_of_each_chain": chains.mean(axis=1).tolist(),
                    "seconds": nuts_took,
                    "effective": theirs,
                    "switches": switches,
                },
            }
        )
        table.append(
            [
                f"{n:,}",
                f"{p:.3f} ± {variance**0.5:.3f}",
                f"{effective / took:.3g}",
                ", ".join(f"{each:.2f}" for each in chains.mean(axis=1)),
                f"{theirs / nuts_took:.2g}" if np.isfinite(theirs) else "none: no chain moves",
                switches,
                f"{effective / took / (theirs / nuts_took):.3g}" if np.isfinite(theirs) else "",
            ]
        )
    return table, numbers


def _data(n: int) -> Any:
    """One data set, leading axis (dataset,)."""
    import jax

    from slt.models.superposition import Superposition

    return jax.vmap(lambda key: Superposition().sample(key, n))(jax.random.split(jax.random.key(0), 1))


def _ladder(sample_sizes: tuple[int, ...], repeats: int = REPEATS) -> Any:
    import jax

    from slt.models.superposition import Superposition
    from slt.posterior.data_tempering import DataTempering
    from slt.runtime.long_computation import drive

    stage = DataTempering(particles=PARTICLES, repeats=repeats).stage(
        Superposition(), _data(sample_sizes[-1]), sample_sizes
    )
    return lambda: drive(stage, jax.random.key(1))


def _is_hexagon(draws: Any, where: tuple[int, int]) -> np.ndarray:
    """Whether each draw is a 6-gon of any kind; `where` picks data set and n."""
    import jax
    import jax.numpy as jnp

    from slt.models.superposition import Superposition
    from slt.phases import classification
    from slt.phases.families import families

    model = Superposition()
    names, family = families(classification.phase_facts(model))
    w = {name: jnp.asarray(leaf[where]) for name, leaf in draws.items()}
    label = np.asarray(jax.jit(jax.vmap(jax.vmap(model.classify)))(w))
    return np.append(family, len(names))[label] == names.index("6")


def _nuts(n: int) -> tuple[np.ndarray, float]:
    """Whether each draw (chain, draw) is a 6-gon, and seconds: numpyro's NUTS as it comes, on the direct sum over
    observations, all chains vectorized. Where some chain moves, without compilation."""
    import jax
    import jax.numpy as jnp
    from numpyro.infer import MCMC, NUTS

    from slt.models.superposition import Superposition

    model, data = Superposition(), jax.tree.map(lambda leaf: leaf[0], _data(n))

    def potential(w: Any) -> Any:
        return jnp.sum(model.losses(w, data)) - model.log_prior(w)

    sampler = MCMC(
        NUTS(potential_fn=potential),
        num_warmup=WARMUP,
        num_samples=DRAWS,
        num_chains=CHAINS,
        chain_method="vectorized",
        progress_bar=False,
    )
    start = jax.vmap(model.sample_prior)(jax.random.split(jax.random.key(2), CHAINS))

    def run() -> None:
        sampler.run(jax.random.key(0), init_params=start)
        jax.block_until_ready(sampler.get_samples())  # it returns while they are still being computed

    taken = timed(run)
    draws = {
        name: np.asarray(leaf)[None, None] for name, leaf in sampler.get_samples(group_by_chain=True).items()
    }
    chains = _is_hexagon(draws, (0, 0)).astype(float)
    return chains, timed(run) if np.any(np.diff(chains, axis=1)) else taken


def _effective(chains: np.ndarray) -> float:
    """Effective draws, all chains together; NaN where every chain stays on one side, which says nothing."""
    from numpyro.diagnostics import effective_sample_size

    if not np.any(np.diff(chains, axis=1)):
        return float("nan")
    return float(effective_sample_size(chains))
