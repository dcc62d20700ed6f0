"""How many features share a dimension, and in which fractions: SGD at growing sparsity, the posterior at growing n.

Verdict, of three parts; it holds with all, fails with none, and is mixed otherwise:

* rise: SGD's features per dimension are 1 within 10 % without sparsity, exceed 2 at the largest, and never fall from
  one sparsity to the next by more than two standard errors;
* plateaus: SGD's represented features (|W_i| > 0.5), at all sparsities but 0 together, lie within 0.02 of a fraction
  1, 3/4, 2/3, 1/2 or 2/5 at least three times as often as in random geometry, which has as many columns of the same
  lengths in random directions;
* posterior: so do those of the posterior's draws at the largest n.

"At least three times": the whole 95 % interval lies above. It is a bootstrap over seeds, or over populations of
particles, each with its own data set.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

from experiments.feature_geometry.geometry import FRACTIONS, Geometry, by_fraction, factor, geometry
from experiments.finding import Finding, verdict_of
from slt.models import datasets
from slt.models.sparse_superposition import SparseSuperposition
from slt.posterior.data_tempering import DataTempering
from slt.report import style
from slt.runtime.jax_setup import cast
from slt.runtime.long_computation import drive

CLAIM = (
    "As features grow sparser more of them share a dimension, at preferred fractions such as 1/2 and 2/3, and the "
    "posterior shows the same picture at growing n"
)
SOURCE = "Elhage et al. 2022, arXiv:2209.10652, for SGD; for the posterior a conjecture"
SPARSITIES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
LARGE, SMALL, SMALL_SPARSITY = (20, 5), (6, 3), 0.9  # features, dimensions
NS = (25, 50, 100, 200, 400, 800, 1600)
LEAST = 3.0
BATCH, RATE = 64, 0.004

Array = np.ndarray


def study(reduced: bool = False) -> Finding:
    steps, seeds = (600, 4) if reduced else (5000, 24)
    sparsities = (0.0, SMALL_SPARSITY) if reduced else SPARSITIES
    large = trained(SMALL if reduced else LARGE, sparsities, seeds, steps)
    small = trained(SMALL, (0.0, SMALL_SPARSITY), seeds, steps)[SMALL_SPARSITY]
    sample_sizes, particles, sets = ((10, 30), 32, 2) if reduced else (NS, 128, 4)
    posterior = posteriors(sample_sizes, particles, sets)
    plateaus = factor([g for s, g in large.items() if s > 0], block=1)
    factors = {n: factor([g], block=particles) for n, g in posterior.items()}
    rows = list(large.values())
    falls = any(b.mean < a.mean - 2 * np.hypot(a.error, b.error) for a, b in itertools.pairwise(rows))
    parts = {
        "rise": bool(abs(rows[0].mean - 1) <= 0.1 and rows[-1].mean > 2 and not falls),
        "plateaus": plateaus.low > LEAST,
        "posterior": factors[sample_sizes[-1]].low > LEAST,
    }
    last = factors[sample_sizes[-1]]
    numbers = (
        f"features per dimension {rows[0].mean:.2f} ± {rows[0].error:.2f} at S = 0 to {rows[-1].mean:.2f} ± "
        f"{rows[-1].error:.2f} at S = {sparsities[-1]:g}; {plateaus.share:.0%} of SGD's features at the fractions, "
        f"{plateaus.factor:.1f} ({plateaus.low:.1f} to {plateaus.high:.1f}) times as many as at random; of the "
        f"posterior's at n = {sample_sizes[-1]:,} {last.share:.0%}, {last.factor:.1f} ({last.low:.1f} to "
        f"{last.high:.1f}) times"
    )
    data = {
        "parts": parts,
        "sgd, all sparsities but 0": plateaus._asdict(),
        "sgd": {str(s): _as_data(g, 1) for s, g in large.items()},
        "small": {"sgd": _as_data(small, 1)}
        | {f"n = {n}": _as_data(g, particles) for n, g in posterior.items()},
    }
    verdict = verdict_of(parts.values())
    return Finding(verdict, numbers, _figure(large, small, posterior), data)


def _as_data(population: Geometry, block: int) -> dict[str, Any]:
    return {
        "features per dimension": population.mean,
        "units": int(population.per_dimension.size),
        "at": by_fraction(population),
        **factor([population], block)._asdict(),
    }


# -- populations ------------------------------------------------------------------------------------------------
@functools.cache
def trained(
    size: tuple[int, int], sparsities: tuple[float, ...], seeds: int, steps: int
) -> dict[float, Geometry]:
    """SGD at each sparsity: seeds on fresh streams, Adam with a rate that falls to 0, at their last step.

    Seeds start alike at every sparsity. The trainer would compile a program for each; this is one for all.
    """
    model = SparseSuperposition(features=size[0], hidden=size[1], sparsity=0.0, importance=1.0)
    rule = optax.adam(optax.cosine_decay_schedule(RATE, steps))

    def one(key: jax.Array, sparsity: jax.Array) -> jax.Array:
        start, stream = jax.random.split(key)
        params = cast(model.init(start), jnp.float32)

        def step(carry: Any, key: jax.Array) -> tuple[Any, None]:
            params, memory = carry
            uniform = model.sample(key, BATCH)
            x = jnp.where(
                uniform < 1 - sparsity, uniform / (1 - sparsity), 0.0
            )  # as the model's own `sample`
            x = cast(x, jnp.float32)
            gradient = jax.grad(lambda w: jnp.mean(model.losses(w, x)))(params)
            change, memory = rule.update(gradient, memory)
            return (optax.apply_updates(params, change), memory), None

        (params, _), _ = jax.lax.scan(step, (params, rule.init(params)), jax.random.split(stream, steps))
        return params["W"]

    over_seeds = jax.vmap(one, in_axes=(0, None))
    keys = jax.random.split(jax.random.key(0), seeds)
    W = jax.jit(jax.vmap(over_seeds, in_axes=(None, 0)))(keys, jnp.array(sparsities))
    return {s: geometry(np.asarray(own)) for s, own in zip(sparsities, W, strict=True)}


def posteriors(sample_sizes: tuple[int, ...], particles: int, sets: int) -> dict[int, Geometry]:
    """The posterior at each n, the draws of all data sets together, one population of particles on each."""
    model = SparseSuperposition(features=SMALL[0], hidden=SMALL[1], sparsity=SMALL_SPARSITY, importance=1.0)
    data = datasets.draw(model, 0, sets, sample_sizes[-1])
    sampler = DataTempering(
        particles=particles, repeats=1, mcmc_steps=3, max_rounds=3 if len(sample_sizes) > 2 else 1
    )
    ladder = drive(sampler.stage(model, data, sample_sizes), jax.random.key(1), lambda *_: None)
    return {
        n: geometry(ladder.draws["W"][:, i].reshape(-1, *SMALL[::-1])) for i, n in enumerate(sample_sizes)
    }


# -- the figure -------------------------------------------------------------------------------------------------
def _figure(large: dict[float, Geometry], small: Geometry, posterior: dict[int, Geometry]) -> Figure:
    with style.look():
        fig = style.figure(6.0, 9.6)
        left, right = fig.subplots(1, 2)
        title = f"SGD by sparsity S:\n{LARGE[0]} features in {LARGE[1]} dimensions"
        _ridges(left, {f"S = {s:g}": g for s, g in large.items()}, title, "#0072B2")
        rows = {f"n = {n:,}": g for n, g in posterior.items()} | {"SGD": small}
        title = f"Posterior by observations n:\n{SMALL[0]} features in {SMALL[1]} dimensions, S = {SMALL_SPARSITY:g}"
        _ridges(right, rows, title, "#D55E00")
        fig.suptitle(
            "How much of a dimension does each feature have for itself?",
            x=0.01,
            ha="left",
        )
        return fig


def _ridges(ax: Any, rows: dict[str, Geometry], title: str, color: str) -> None:
    """A histogram of D_i for each row, one above another, over lines at the fractions."""
    edges = np.arange(0, 1.0601, 0.02)
    for name, value in FRACTIONS.items():
        ax.axvline(value, color=style.FAINT, linewidth=0.9, zorder=0)
        ax.text(value, len(rows) + 0.05, name, ha="center", fontsize=8.5)
    for base, population in enumerate(rows.values()):
        for D, hue, alpha in ((population.random, style.GRAY, 0.35), (population.fractions, color, 0.85)):
            values = np.concatenate(D)
            height = 0.9 * np.sqrt(np.histogram(values, edges)[0] / max(values.size, 1))
            ax.stairs(base + height, edges, baseline=base, fill=True, color=hue, alpha=alpha)
        ax.text(0.01, base + 0.3, f"{population.mean:.2f} per\ndimension", fontsize=7.5, color=style.GRAY)
    ax.set_yticks(np.arange(len(rows)) + 0.1, list(rows))
    ax.set_xlim(0, 1.06)
    ax.set_ylim(0, len(rows) + 0.35)
    ax.set_xlabel("dimensionality D (dimensions); heights are\nroots of shares; gray: random directions")
    ax.set_title(title)
