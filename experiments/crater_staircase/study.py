"""How the share of SGD runs that end in each crater goes with the number of dimensions, beside the posterior's.

Rule. The claim has three parts: (1) of every pair of craters the exact posterior gives each one half, to 1e-3, at
every k; (2) the share of runs that end in the isolated crater falls exponentially, with and without noise: at the
largest k the upper end of its 95 % interval lies below what it is at the smallest, divided by 1.5 for each dimension
between; (3) the share that ends in the staircase's does not: at the largest k the lower end lies above half of what
it is at the smallest. The claim holds where all three do, fails where (2) does not, and is mixed otherwise.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import ncx2, norm

from experiments.finding import Finding
from experiments.statistics import binomial_interval
from slt.models.crater_staircase import CraterStaircase
from slt.phases.classification import label_draws, label_trajectory
from slt.posterior.data_tempering import DataTempering
from slt.runtime.long_computation import drive
from slt.training.optimizers import Sgd
from slt.training.trainer import Trainer

CLAIM = (
    "Where k parameters must be right together, the share of starts in the basin of attraction falls exponentially "
    "in k; where they can be found one by one it does not; the posterior gives both solutions equal shares"
)
SOURCE = "a claim made in discussions of learning theory, without a source"
N = 200  # observations of the posterior


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is run."""

    dimensions: tuple[int, ...] = (2, 3, 4, 6, 8)
    runs: int = 512
    starts: int = 2048
    steps: int = 6000
    particles: int = 512
    repeats: int = 8


REDUCED = Sizes(dimensions=(2,), runs=24, starts=64, steps=300, particles=64, repeats=2)
RATE, BATCH = 0.1, 8


def study(reduced: bool = False) -> Finding:
    sizes = REDUCED if reduced else Sizes()
    rows = [_row(CraterStaircase(dimension=k), sizes) for k in sizes.dimensions]
    parts = _parts(rows)
    verdict = "holds" if all(parts.values()) else "mixed" if parts["isolated falls"] else "fails"
    return Finding(verdict, _numbers(rows), _figure(rows), {"n": N, "rows": rows, "parts": parts})


# -- what is measured -----------------------------------------------------------------------------------------


def _row(model: CraterStaircase, sizes: Sizes) -> dict[str, Any]:
    """Everything at one dimension; pairs are (isolated crater, staircase's crater)."""
    k, a = model.dimension, model.distance / 2
    noisy = _sgd(model, sizes)
    noiseless = _flow(model, sizes)
    return {
        "k": k,
        "geometry": [
            float(ncx2.cdf((model.radius / model.init_scale) ** 2, k, (a / model.init_scale) ** 2)),
            float(norm.sf((model.radius - a) / model.init_scale)),
        ],
        "sgd": [_interval(int(np.sum(noisy == crater)), len(noisy)) for crater in (0, 1)],
        "flow": [_interval(int(np.sum(noiseless == crater)), len(noiseless)) for crater in (0, 1)],
        "posterior": _exact(model),
        "smc": _smc(model, sizes),
    }


def _interval(count: int, total: int) -> dict[str, float]:
    """A share with its 95 % interval."""
    low, high = binomial_interval(count, total)
    return {"count": count, "of": total, "share": count / total, "low": low, "high": high}


def _sgd(model: CraterStaircase, sizes: Sizes) -> np.ndarray:
    """(run,) where SGD ends."""
    trainer = Trainer(
        seeds=sizes.runs,
        steps=sizes.steps,
        batch_size=BATCH,
        n=None,
        checkpoints=2,
        optimizer=Sgd(RATE),
    )
    trajectory = drive(trainer.stage(model, None), jax.random.key(0))
    return label_trajectory(model, trajectory).label[:, -1]


def _flow(model: CraterStaircase, sizes: Sizes) -> np.ndarray:
    """(start,) where gradient descent on the population loss ends: the same rate and steps, no noise."""
    starts = jax.vmap(model.init)(jax.random.split(jax.random.key(1), sizes.starts))
    return np.asarray(_descend(model, starts, sizes.steps))


@functools.partial(jax.jit, static_argnums=2)
def _descend(model: CraterStaircase, starts: Any, steps: int) -> jax.Array:
    slope = jax.vmap(jax.grad(model.population_loss))

    def step(_: int, w: Any) -> Any:
        return jax.tree.map(lambda leaf, change: leaf - RATE * change, w, slope(w))

    return jax.vmap(model.classify)(jax.lax.fori_loop(0, steps, step, starts))


def _exact(model: CraterStaircase) -> dict[str, float]:
    """Bounds on the posterior's share of either crater at N observations, without any sampling.

    Below the level the loss is c r^2 / 2 around both bottoms, so that posterior mass is a product of two Gaussians
    over a ball: a noncentral chi-square probability, the same for both. Above it lies exp(-level N) at most.
    """
    k, a, s2 = model.dimension, model.distance / 2, model.prior_scale**2
    sharp = N * model.curvature
    precision = sharp + 1 / s2
    center = a / s2 / precision  # the product's, from the bottom towards the origin
    log_peak = -0.5 * a**2 / s2 + 0.5 * precision * center**2 - 0.5 * k * np.log(s2 * precision)
    inside = ncx2.cdf(precision * 2 * model.level / model.curvature, k, precision * center**2)
    mass = float(np.exp(log_peak) * inside)
    above = float(np.exp(-N * model.level))
    return {"low": mass / (2 * mass + above), "high": (mass + above) / (2 * mass + above)}


def _smc(model: CraterStaircase, sizes: Sizes) -> dict[str, Any]:
    """(repeat,) the isolated crater's share among particles, of those in either crater."""
    sampler = DataTempering(particles=sizes.particles, repeats=sizes.repeats)
    ladder = drive(sampler.stage(model, None, (5, 50, N)), jax.random.key(2))
    labels = label_draws(model, ladder)[0, -1]
    isolated, other = (np.sum(labels == crater, axis=1) for crater in (0, 1))
    share = (isolated / np.maximum(isolated + other, 1)).tolist()
    return {
        "isolated": share,
        "mean": float(np.mean(share)),
        "error": float(np.std(share, ddof=1) / np.sqrt(len(share))),
        "status": sorted(set(map(str, ladder.status.ravel()))),
    }


# -- what follows ---------------------------------------------------------------------------------------------


def _parts(rows: list[dict[str, Any]]) -> dict[str, bool]:
    first, last = rows[0], rows[-1]
    factor = 1.5 ** (last["k"] - first["k"])
    return {
        "posterior halves": all(
            abs(row["posterior"][end] - 0.5) < 1e-3 for row in rows for end in ("low", "high")
        ),
        "isolated falls": all(
            last[how][0]["high"] < first[how][0]["share"] / factor for how in ("sgd", "flow")
        ),
        "staircase stays": all(last[how][1]["low"] > first[how][1]["share"] / 2 for how in ("sgd", "flow")),
    }


def _numbers(rows: list[dict[str, Any]]) -> str:
    def percent(one: dict[str, float]) -> str:
        return f"{100 * one['share']:.3g} % [{100 * one['low']:.2g}, {100 * one['high']:.2g}]"

    first, last = rows[0], rows[-1]
    return (
        f"k = {first['k']} to {last['k']}: SGD in the isolated crater {percent(first['sgd'][0])} to "
        f"{percent(last['sgd'][0])}, in the staircase's {percent(first['sgd'][1])} to {percent(last['sgd'][1])}; "
        f"posterior {first['posterior']['low']:.3f} each at every k; SMC's share of the isolated one "
        f"{first['smc']['mean']:.2f} ± {first['smc']['error']:.2f} to "
        f"{last['smc']['mean']:.2f} ± {last['smc']['error']:.2f}"
    )


def _figure(rows: list[dict[str, Any]]) -> Figure:
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    ax = figure.subplots()
    k = np.array([row["k"] for row in rows])
    floor = 0.3 / max(row["flow"][0]["of"] for row in rows)
    styles = ((0, "#D55E00", "isolated crater"), (1, "#0072B2", "crater at the foot of the staircase"))
    for crater, color, name in styles:
        for how, marker, shift, words in (("sgd", "o", -0.06, "SGD"), ("flow", "s", 0.06, "without noise")):
            share, low, high = (
                np.array([row[how][crater][x] for row in rows]) for x in ("share", "low", "high")
            )
            ax.errorbar(
                k + shift,
                np.maximum(share, floor),
                (np.maximum(share, floor) - np.maximum(low, floor), high - np.maximum(share, floor)),
                fmt=marker,
                color=color,
                mfc=color if how == "sgd" else "white",
                capsize=2,
                label=f"{name}, {words}",
            )
        ax.plot(
            k, [row["geometry"][crater] for row in rows], color=color, lw=1, label=f"{name}, geometry alone"
        )
    ax.axhline(0.5, color="black", lw=1.5, ls="--", label="posterior, each crater (exact)")
    mean, error = (np.array([row["smc"][x] for row in rows]) for x in ("mean", "error"))
    ax.errorbar(
        k, np.maximum(mean, floor), error, fmt="x", color="#555555", capsize=2, label="SMC, isolated crater"
    )
    ax.set(
        yscale="log",
        ylim=(floor, 1.5),
        xticks=k,
        xlim=(k[0] - 0.5, k[-1] + 0.5),
        xlabel="dimensions k",
        ylabel="share of runs or of posterior mass",
    )
    ax.set_title(
        "Equal for the posterior at every k; what must be found at once, SGD loses with k",
        loc="left",
        fontsize=10,
    )
    ax.legend(fontsize=7.5, frameon=False, loc="lower left")
    return figure
