"""Does a network that is trained on M tasks come near to ridge regression, and leave it again for dMMSE?

The preset's network is trained on each M of `TASKS`, and watched on new tasks, where ridge regression is best and
where dMMSE, which has the M tasks memorized, differs from it most. Distances are mean squares between predictions,
over the dimension; curves are running medians over three checkpoints. A seed *retreats* if its distance to ridge ends
at `RISE` times its minimum or more, while its distance to dMMSE ends lower than it was at that minimum. An M retreats
if more than half of its seeds do. The parts of the claim, and when each holds:

* retreat: at least one M retreats.
* threshold: the largest M does not.
* visit: at some M that retreats, more than half of the seeds are nearer to ridge than to dMMSE at the minimum: what
  is left again was ridge, and not just nearer to it than what came after.

The claim holds if all do, fails without a retreat, and is mixed otherwise.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.finding import Finding
from experiments.in_context import apart, planned, trained
from slt.models.icl_linear_regression import ICLLinearRegression
from slt.records.base import Array
from slt.records.training import Trajectory
from slt.report import style

CLAIM = (
    "Trained on neither few nor very many tasks, a transformer first comes near to ridge regression, which is right "
    "for all tasks, and then leaves it for the predictor that has memorized its own tasks"
)
SOURCE = (
    "Carroll et al. 2025, arXiv:2501.17745; Panwar et al. 2024, arXiv:2306.04891; of transience Singh et al. 2023, "
    "arXiv:2311.08360"
)
TASKS = (8, 16, 32, 64)
RISE = 1.15
WORKERS = 2  # trainings at a time: one alone fills hardly more than a core
REDUCED = (
    "model.length=3",
    "model.width=4",
    "model.layers=1",
    "model.neurons=0",
    "model.population=0",
    "training.seeds=2",
    "training.steps=30",
    "training.checkpoints=8",
)


def study(reduced: bool = False) -> Finding:
    tasks, less = (TASKS[:2], REDUCED) if reduced else (TASKS, ())

    plans = [planned("experiment=ridge_retreat", f"model.tasks={m}", *less) for m in tasks]
    with ThreadPoolExecutor(WORKERS) as pool:
        trajectories = list(pool.map(trained, plans))
    rows = [measured(plan.model, one) for plan, one in zip(plans, trajectories, strict=True)]
    verdict, numbers = judged(rows)
    return Finding(verdict, numbers, picture(rows), {"runs": rows})


def measured(model: ICLLinearRegression, trajectory: Trajectory) -> dict[str, Any]:
    """Of one M: where each seed's distance to ridge is least, both distances there and at the end, and the curves."""
    seen = {name: smooth(np.asarray(trajectory.observables[name])) for name in ("to_ridge", "to_dmmse")}
    least = np.argmin(seen["to_ridge"], axis=1)
    seed = np.arange(len(least))
    return {
        "tasks": model.tasks,
        "step": trajectory.steps[1:-1].tolist(),
        "step of the minimum": trajectory.steps[1:-1][least].tolist(),
        "ridge to dMMSE": apart(model),
        **{f"{name}, then": np.round(curve[seed, least], 5).tolist() for name, curve in seen.items()},
        **{f"{name}, end": np.round(curve[:, -1], 5).tolist() for name, curve in seen.items()},
        **{name: np.round(curve, 5).tolist() for name, curve in seen.items()},
    }


def smooth(curve: Array) -> Array:
    """(seed, checkpoint - 2) running medians over three checkpoints."""
    return np.median([curve[:, :-2], curve[:, 1:-1], curve[:, 2:]], axis=0)


def judged(rows: list[dict[str, Any]]) -> tuple[str, str]:
    """The verdict by the rule above, and its numbers; `rows` are by growing M."""
    gone = [np.mean(retreats(row)) > 0.5 for row in rows]
    parts = {
        "retreat": any(gone),
        "threshold": not gone[-1],
        "visit": any(left and np.mean(nearer(row)) > 0.5 for row, left in zip(rows, gone, strict=True)),
    }
    verdict = "fails" if not parts["retreat"] else "holds" if all(parts.values()) else "mixed"
    each = "; ".join(
        f"{row['tasks']}: {rise(row).min():.2f} to {rise(row).max():.2f}, {retreats(row).sum()} of "
        f"{len(rise(row))} seeds retreat, {nearer(row).sum()} nearer to ridge than to dMMSE before"
        for row in rows
    )
    bad = ", ".join(name for name, good in parts.items() if not good)
    return verdict, f"final over least distance to ridge at M = {each}; parts that fail: {bad or 'none'}"


def rise(row: dict[str, Any]) -> Array:
    """(seed,) final over least distance to ridge."""
    return np.array(row["to_ridge, end"]) / np.array(row["to_ridge, then"])


def retreats(row: dict[str, Any]) -> Array:
    """(seed,) whether a seed leaves ridge for dMMSE."""
    return (rise(row) >= RISE) & (np.array(row["to_dmmse, end"]) < np.array(row["to_dmmse, then"]))


def nearer(row: dict[str, Any]) -> Array:
    """(seed,) whether it is nearer to ridge than to dMMSE where it is nearest to ridge."""
    return np.array(row["to_ridge, then"]) < np.array(row["to_dmmse, then"])


def picture(rows: list[dict[str, Any]]) -> Figure:
    with style.look():
        fig = style.figure(3.8, 11.0)
        fig.suptitle("Distances on new tasks, by how many tasks a network is trained on")
        panels = fig.subplots(1, len(rows), sharey=True)
        for ax, row in zip(panels, rows, strict=True):
            x = np.array(row["step"])
            for name, label, color in (
                ("to_ridge", "to ridge", "#0072B2"),
                ("to_dmmse", "to dMMSE", "#D55E00"),
            ):
                curves = np.array(row[name])
                ax.plot(x, curves.T, color=color, linewidth=0.7, alpha=0.5)
                ax.plot(x, np.median(curves, axis=0), color=color, linewidth=2, label=label)
            level = row["ridge to dMMSE"]
            ax.axhline(level, color=style.GRAY, linestyle="--", label="from ridge to dMMSE")
            ax.set(xscale="log", yscale="log", xlabel="optimizer steps (log scale)")
            style.plain_log(ax.xaxis, 1, float(x[-1]))
            ax.set_title(f"{row['tasks']} tasks")
        style.plain_log(panels[0].yaxis, min(min(map(min, row["to_ridge"])) for row in rows), 1)
        panels[0].set_ylabel("distance (mean square, over dimension)")
        panels[0].legend(loc="lower left")
    return fig
