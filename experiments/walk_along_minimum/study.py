"""SGD on a manifold of minima: in which direction it moves, how fast, and what changes.

Verdict, of three parts; it holds with all, fails with none, and is mixed otherwise:

* flatter: the mean trace of the Hessian ends within 10 % of the least that the minimum has (at the middle rate);
* rate: at every learning rate the imbalance Q decays at the rate of theory within 10 % (module `walk`), as fitted to
  its mean projection on the start while that is above a tenth;
* control: without noise in the labels no seed moves by more than 1e-6 of its norm.

What becomes of lambda is no part of the claim: it is measured by MALA chains on the population loss at points of the
minimum, and reported beside it.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from experiments.finding import Finding, verdict_of
from experiments.walk_along_minimum.walk import FLATTEST, MODEL, SIZE, measure, walk
from slt.llc.mcmc.metropolis import Metropolis
from slt.llc.problem import LLCProblem
from slt.report import style

CLAIM = "On a surface of minima the noise of labels carries SGD steadily towards flatter points"
SOURCE = "Blanc et al. 2019, arXiv:1904.09080; Damian et al. 2021, arXiv:2106.06530; Li et al. 2021, arXiv:2110.06914"
RATES = (0.01, 0.02, 0.03)
MIDDLE = 1
BATCH = 4
T, LOCALIZATION = 1e4, 10.0  # of the chains: inverse temperature in observations, and the pull to their point
LAMBDAS = {8.0: "theory: A of full rank", 7.0: "theory: least on the minimum, m = 2"}

Array = np.ndarray


def study(reduced: bool = False) -> Finding:
    seeds, checkpoints, steps = (4, 9, 400) if reduced else (32, 41, 500)
    rates, noise = (
        np.array([*RATES, RATES[MIDDLE]]),
        np.array([1.0, 1.0, 1.0, 0.0]),
    )  # the last is the control
    path = walk(
        jnp.array(rates), jnp.array(noise), batch=BATCH, checkpoints=checkpoints, steps=steps, seeds=seeds
    )
    seen = jax.tree.map(np.asarray, measure(path))
    time = steps * np.arange(checkpoints)
    left = _left(seen["imbalance"])
    fits = [_rate(left[i], time) for i in range(len(RATES))]
    theory = rates[: len(RATES)] ** 2 * SIZE / BATCH
    ratio = np.array([rate for rate, _ in fits]) / theory
    ratio_error = np.array([error for _, error in fits]) / theory
    moved = _moved(seen["point"])
    trace, loss = seen["trace"], seen["loss"]
    late = slice(-max(2, checkpoints // 4), None)
    llc = _lambda(seen["point"], time, 1 if reduced else 4, 2 if reduced else 6, 64 if reduced else 2000)
    still = float(moved[-1].max())
    parts = {
        "flatter": bool(trace[MIDDLE, :, -1].mean() <= 1.1 * FLATTEST),
        "rate": bool(np.all(np.abs(ratio - 1) <= 0.1)),
        "control": still <= 1e-6,
    }
    data = {
        "parts": parts,
        "learning_rates": list(RATES),
        "rate over theory": ratio.tolist(),
        "rate over theory, error": ratio_error.tolist(),
        "step": time.tolist(),
        "trace": trace.mean(axis=1).tolist(),
        "loss": loss.mean(axis=1).tolist(),
        "loss over theory, late": [
            float(loss[i, :, late].mean() / (rates[i] * trace[i, :, late].mean() / (4 * BATCH)))
            for i in range(len(RATES))
        ],
        "loss over theory, early": [
            float(loss[i, :, 1].mean() / (rates[i] * trace[i, :, :2].mean() / (4 * BATCH)))
            for i in range(len(RATES))
        ],
        "distance moved, relative": moved.mean(axis=1)[:, -1].tolist(),
        "distance moved without noise, largest": still,
        "gap from the minimum of the points used, largest": float(seen["gap"].max()),
        "llc": llc,
    }
    first, last = llc["mean"][0], llc["mean"][-1]
    numbers = (
        f"trace of the Hessian {trace[MIDDLE, :, 0].mean():.1f} to {trace[MIDDLE, :, -1].mean():.2f} (least: "
        f"{FLATTEST:g}); rate over theory "
        + ", ".join(f"{r:.3f} ± {e:.3f}" for r, e in zip(ratio, ratio_error, strict=True))
        + f"; lambda {first:.2f} ± {llc['error'][0]:.2f} to {last:.2f} ± {llc['error'][-1]:.2f}; "
        f"loss {loss[MIDDLE, :, 1].mean():.3f} to {loss[MIDDLE, :, late].mean():.3f}; without noise moved {still:.0e}"
    )
    verdict = verdict_of(parts.values())
    return Finding(verdict, numbers, _figure(time, left, trace, loss, llc, theory), data)


def _left(imbalance: Array) -> Array:
    """(setting, seed, checkpoint) what is left of Q: its projection on where it started, as a share."""
    first = imbalance[:, :, :1]
    return np.sum(imbalance * first, axis=(-2, -1)) / np.sum(first**2, axis=(-2, -1))


def _rate(left: Array, time: Array) -> tuple[float, float]:
    """Decay of the mean over seeds (seed, checkpoint), per step, with its standard error by bootstrap over seeds."""

    def fit(rows: Array) -> float:
        mean = rows.mean(axis=0)
        kept = np.cumprod(mean > 0.1).astype(bool)
        kept[:2] = True
        logs = np.log(np.maximum(mean[kept], 1e-12))
        return float(-(time[kept] @ logs) / (time[kept] @ time[kept]))  # through 1 at the start

    random = np.random.default_rng(0)
    again = [fit(left[random.integers(len(left), size=len(left))]) for _ in range(200)]
    return fit(left), float(np.std(again))


def _moved(points: dict[str, Array]) -> Array:
    """(setting, seed, checkpoint) distance from the first point of the minimum, in units of that point's norm."""
    flat = np.concatenate([leaf.reshape(*leaf.shape[:3], -1) for leaf in points.values()], axis=-1)
    return np.linalg.norm(flat - flat[:, :, :1], axis=-1) / np.linalg.norm(flat[:, :, :1], axis=-1)


def _lambda(points: dict[str, Array], time: Array, seeds: int, count: int, draws: int) -> dict[str, Any]:
    """lambda at `count` checkpoints of the first `seeds` seeds at the middle rate, means and errors over seeds."""
    kept = np.linspace(0, len(time) - 1, count).round().astype(int)
    chosen = {name: leaf[MIDDLE, :seeds][:, kept] for name, leaf in points.items()}
    flat = {name: leaf.reshape(-1, *leaf.shape[2:]) for name, leaf in chosen.items()}
    estimator = Metropolis(algorithm="mala", chains=4, nbeta=T, localization=LOCALIZATION, draws=draws)
    estimate = estimator(LLCProblem(MODEL, flat), jax.random.key(2))
    each, error = (values.reshape(seeds, count) for values in (estimate.llc, estimate.error))
    scatter = each.std(axis=0, ddof=1) / np.sqrt(seeds) if seeds > 1 else np.zeros(count)
    return {
        "step": time[kept].tolist(),
        "mean": each.mean(axis=0).tolist(),
        "error": np.hypot(scatter, error.mean(axis=0) / np.sqrt(seeds)).tolist(),
        "flags": sorted({str(status) for status in estimate.status}),
    }


# -- the figure -------------------------------------------------------------------------------------------------
def _figure(
    time: Array, left: Array, trace: Array, loss: Array, llc: dict[str, Any], theory: Array
) -> Figure:
    with style.look():
        fig = style.figure(5.6, 9.0)
        axes = fig.subplots(2, 2)
        time = time / 1000
        colors = ("#56B4E9", "#0072B2", "#E69F00")
        for i, (rate, color) in enumerate(zip(RATES, colors, strict=True)):
            name = f"learning rate {rate:g}"
            axes[0, 0].plot(time, trace[i].mean(axis=0), color=color, label=name)
            axes[0, 1].plot(time, left[i].mean(axis=0), "o", color=color, markersize=3)
            axes[0, 1].plot(time, (1 - theory[i]) ** (1000 * time), color=color, linewidth=1)
            axes[1, 0].plot(time[1:], loss[i].mean(axis=0)[1:], color=color)
            axes[1, 0].plot(
                time, RATES[i] * trace[i].mean(axis=0) / (4 * BATCH), ":", color=style.INK, linewidth=1
            )
        axes[0, 0].plot(time, trace[-1].mean(axis=0), "--", color=style.GRAY, label="no noise in the labels")
        axes[0, 0].axhline(FLATTEST, color=style.FAINT)
        axes[0, 0].text(time[-1], FLATTEST - 1, "least on the minimum", ha="right", va="top", fontsize=8.5)
        axes[0, 0].set_ylim(0, 78)
        axes[0, 0].legend(loc="upper right")
        places = np.array(llc["step"]) / 1000
        axes[1, 1].errorbar(places, llc["mean"], llc["error"], color=colors[MIDDLE], marker="o", capsize=3)
        for value, words in LAMBDAS.items():
            axes[1, 1].axhline(value, color=style.FAINT)
            axes[1, 1].text(time[-1], value, words, ha="right", va="bottom", fontsize=8.5)
        axes[1, 1].set_ylim(6, 8.6)
        titles = (
            ("Flatter: trace of the Hessian", "trace (nats per unit²)"),
            ("At the rate of theory (lines)", "imbalance left (share)"),
            ("Loss follows the trace (dots: theory)", "loss (nats per observation)"),
            ("Lambda at points of the minimum", "lambda"),
        )
        for ax, (title, what) in zip(axes.ravel(), titles, strict=True):
            ax.set_title(title)
            ax.set_ylabel(what)
            ax.set_xlabel("step of SGD (thousands)")
        fig.suptitle("On a surface of minima: where the noise of labels carries SGD", x=0.01, ha="left")
        return fig
