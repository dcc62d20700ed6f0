"""Does a transformer that regresses in context get there in stages, always in the same order, and as far as ridge?

The preset's network gets a new task in every sequence, so that ridge regression is the best there is. All errors are
mean squares on one fixed sample of sequences, expected over the noise of y. To say nothing is to predict 0. The parts
of the claim, and when each holds:

* ridge: at the end of one training of a network twice as deep (`DEEP`) the error at the last position is within
  `NEAR` of ridge regression's. Beside it stands a longer one of the preset's own network (`LONG`).
* order: in every seed these come one after the other, each at a later checkpoint than the one before:
  silence, the error (mean over positions) within `SILENT` of that of saying nothing; reading, the in-context score
  (error at the last position less that at the middle one) half way from that of saying nothing to ridge's; and
  regressing, the error at the last position within `HALF` of ridge's.
* overshoot: in every seed the in-context score is at some time more than `OVER` below ridge's own, and at the end
  less far below it: the last positions learn first, those before them catch up.

It holds if all do, fails if none does, and is mixed otherwise. Learning coefficients along the way are no part of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.finding import Finding, verdict_of
from experiments.in_context import References, kept, planned, references, trained
from experiments.statistics import first_step
from slt.records.base import Array
from slt.report import style

CLAIM = (
    "A transformer learns regression in context in stages, in one order: it says nothing, it reads the pairs before, "
    "it regresses as well as ridge regression does"
)
SOURCE = "Hoogland et al. 2024, arXiv:2402.02364; Raventos et al. 2023, arXiv:2306.15063, for ridge"
NEAR, SILENT, HALF, OVER = 0.10, 0.05, 0.50, 0.05
STAGES = ("silence", "reading", "regressing")
COLORS = ("#8f8f8f", "#E69F00", "#0072B2")
DEEPER = "#009E73"
LONG = ("training.seeds=1", "training.steps=240000")
DEEP = ("model.layers=4", "training.seeds=1", "training.steps=60000")
REDUCED = (
    "model.dimension=2",
    "model.length=4",
    "model.width=8",
    "model.heads=2",
    "model.layers=1",
    "model.neurons=8",
    "model.population=16",
    "training.seeds=2",
    "training.steps=40",
    "training.batch_size=16",
    "training.checkpoints=6",
)


def study(reduced: bool = False) -> Finding:
    preset = ("experiment=icl_stages", *(REDUCED if reduced else ()))
    plan = planned(*preset)
    trajectory = trained(plan) if reduced else kept(*preset)
    long, deep = (trajectory if reduced else kept(*preset, *more) for more in (LONG, DEEP))
    seen = {name: np.asarray(curve) for name, curve in trajectory.observables.items()}
    known = references(plan.model)
    data = measured(trajectory.steps, seen, known)
    for name, one in (("long", long), ("deep", deep)):
        data[name] = {
            "step": one.steps.tolist(),
            "last_over_ridge": np.round(np.asarray(one.observables["last_over_ridge"])[0], 5).tolist(),
        }
    verdict, numbers = judged(data)
    return Finding(verdict, numbers, picture(trajectory.steps, seen, known, data), data)


def measured(steps: Array, seen: dict[str, Array], known: References) -> dict[str, Any]:
    """Each seed's stages and where it ends; `seen` holds observables (seed, checkpoint)."""
    silent, ridge = (_in_context(error) for error in (known.silent, known.ridge))
    begun = {
        "silence": seen["error"] <= (1 + SILENT) * known.silent.mean(),
        "reading": seen["in_context"] <= (silent + ridge) / 2,
        "regressing": seen["last_over_ridge"] <= 1 + HALF,
    }
    at = {stage: first_step(steps, there) for stage, there in begun.items()}
    ends = {f"{name} at the end": np.round(curve[:, -1], 5).tolist() for name, curve in seen.items()}
    return {
        "step": steps.tolist(),
        "begins": {stage: [None if np.isinf(s) else int(s) for s in when] for stage, when in at.items()},
        "in_context of ridge": ridge,
        "in_context, lowest": np.round(seen["in_context"].min(axis=1), 5).tolist(),
        "error of ridge": float(known.ridge.mean()),
        "error of saying nothing": float(known.silent.mean()),
        "error_far, lowest": np.round(seen["error_far"].min(axis=1), 5).tolist(),
        **ends,
    }


def judged(data: dict[str, Any]) -> tuple[str, str]:
    """The verdict by the rule above, and its numbers; the parts are added to `data`."""
    when = np.array([[np.inf if s is None else s for s in data["begins"][stage]] for stage in STAGES])
    last, ridge = np.array(data["last_over_ridge at the end"]), data["in_context of ridge"]
    long, deep = ((data[name]["step"][-1], data[name]["last_over_ridge"][-1]) for name in ("long", "deep"))
    below, at_end = (
        (ridge - np.array(data[name])) / abs(ridge)
        for name in ("in_context, lowest", "in_context at the end")
    )
    in_order = np.isfinite(when).all(axis=0) & (when[1:] > when[:-1]).all(axis=0)
    over = (below > OVER) & (at_end < below)
    data["parts"] = {
        "ridge": bool(deep[1] <= 1 + NEAR),
        "order": bool(in_order.all()),
        "overshoot": bool(over.all()),
    }
    good = list(data["parts"].values())
    verdict = verdict_of(good)
    begins = ", ".join(f"{stage} {_median(s)}" for stage, s in zip(STAGES, when, strict=True))
    numbers = (
        f"error at the last position over ridge's {np.median(last):.2f} ({last.min():.2f} to {last.max():.2f}), of "
        f"one seed after {long[0]:,} steps {long[1]:.2f}, of one with four layers after {deep[0]:,} {deep[1]:.2f}; "
        f"{int(in_order.sum())} of {len(last)} seeds in order, at steps (median): {begins}; in-context score at most "
        f"{np.median(below):.0%} below ridge's, at the end {np.median(at_end):.0%}"
    )
    return verdict, numbers


def _in_context(error: Array) -> float:
    return float(error[-1] - error[len(error) // 2 - 1])


def _median(steps: Array) -> str:
    middle = np.median(steps)
    return f"{middle:,.0f}" if np.isfinite(middle) else "never"


def picture(steps: Array, seen: dict[str, Array], known: References, data: dict[str, Any]) -> Figure:
    with style.look():
        fig = style.figure(4.2, 11.0)
        fig.suptitle("Regression in context: silence, reading, regressing")
        panels = fig.subplots(1, 3)
        titles = {
            "error": "error, mean over positions",
            "in_context": "in-context score",
            "last_over_ridge": "error at the last position / ridge's",
        }
        lines = {
            "error": {"saying nothing": known.silent.mean(), "ridge": known.ridge.mean()},
            "in_context": {
                "saying nothing": _in_context(known.silent),
                "ridge": _in_context(known.ridge),
            },
            "last_over_ridge": {"ridge": 1.0},
        }
        for ax, (name, title) in zip(panels, titles.items(), strict=True):
            ax.plot(steps + 1, seen[name].T, color=style.INK, linewidth=0.9, alpha=0.6)
            for (what, level), look in zip(
                lines[name].items(), (":", "--")[-len(lines[name]) :], strict=True
            ):
                ax.axhline(level, color=style.GRAY, linestyle=look, label=what)
            for stage, color in zip(STAGES, COLORS, strict=True):
                for step in data["begins"][stage]:
                    if step is not None:
                        ax.axvline(step + 1, color=color, linewidth=0.8, alpha=0.7)
                ax.plot([], [], color=color, label=f"{stage} begins")
            ax.set_xscale("log")
            style.plain_log(ax.xaxis, 1, float(steps[-1] + 1))
            ax.set(xlabel="optimizer steps + 1 (log scale)", title=title)
        for name, color, what in (("long", style.INK, "one seed"), ("deep", DEEPER, "four layers")):
            one = data[name]
            panels[2].plot(
                np.array(one["step"]) + 1,
                one["last_over_ridge"],
                color=color,
                linewidth=1.6,
                label=f"{what}, {one['step'][-1]:,} steps",
            )
        panels[2].legend(loc="lower left")
        panels[2].set_yscale("log")
        style.plain_log(panels[2].yaxis, 1, float(seen["last_over_ridge"].max()))
        panels[0].legend(loc="lower left")
    return fig
