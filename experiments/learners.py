"""For studies of both learners: a preset run and read into memory, and one figure of SGD and the posterior."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slt.config.schema import experiment
from slt.models.base import Model, phase_names
from slt.phases.classification import phase_facts
from slt.phases.families import families as grouped
from slt.phases.occupancy import occupancy_summary
from slt.pipeline.execute import run
from slt.pipeline.outputs import outputs
from slt.records.base import Array
from slt.report import style


class PresetRun(NamedTuple):
    """What was read of one run.

    Attributes:
      model: the model that ran.
      names: of its phases, then "other".
      summary: the contents of summary.json.
      steps: (checkpoint,).
      label: (seed, checkpoint) index into `names`.
      params: name -> (seed, checkpoint, ...) SGD's parameters.
      sample_sizes: (n,).
      share: (n, phase) posterior probability, the mean over data sets.
    """

    model: Model
    names: tuple[str, ...]
    summary: dict[str, Any]
    steps: Array
    label: Array
    params: dict[str, Array]
    sample_sizes: Array
    share: Array

    def verdict(self, source: str, target: str) -> str:
        """The comparer's verdict on a pair of phases; "neither" where neither learner made the transition."""
        found = {(row["from"], row["to"]): row["verdict"] for row in self.summary["comparison"]}
        return found.get((source, target), "neither")

    def crossing(self, source: str, target: str) -> dict[str, Any] | None:
        """The row of summary.json on the posterior's transition, or None where there is none."""
        rows = self.summary["bayesian"]
        return next((row for row in rows if (row["from"], row["to"]) == (source, target)), None)

    def ends(self, name: str) -> int:
        """How many seeds end in a phase."""
        return int(np.sum(self.label[:, -1] == self.names.index(name)))

    def passages(self, source: str, target: str) -> int:
        """How many seeds begin in one phase and end in another."""
        first, last = self.names.index(source), self.names.index(target)
        return int(np.sum((self.label[:, 0] == first) & (self.label[:, -1] == last)))

    @property
    def curves(self) -> Array:
        """(checkpoint, phase) the share of seeds in each phase."""
        return np.mean(self.label[..., None] == np.arange(len(self.names)), axis=0)


def run_preset(*overrides: str) -> PresetRun:
    """Run an experiment in a store of its own, which is gone when this returns."""
    with tempfile.TemporaryDirectory() as store:
        done = run(overrides, store=store, progress=False)
        stored = outputs(done)
        trajectory, phases = stored.get("training"), stored.get("phases")
        path, occupancy = phases.path, phases.occupancy
        model = experiment(done.config)[0].model
        return PresetRun(
            model=model,
            names=phase_names(model),
            summary=done.summary,
            steps=trajectory.steps,
            label=path.label,
            params=trajectory.params,
            sample_sizes=occupancy.sample_sizes,
            share=occupancy_summary(occupancy).mean,
        )


def as_data(seen: PresetRun) -> dict[str, Any]:
    """What was measured, for data.json: shares by n and by step, and passages."""
    return {
        "phases": list(seen.names),
        "n": seen.sample_sizes.tolist(),
        "posterior share": seen.share.tolist(),
        "step": seen.steps.tolist(),
        "share of seeds": seen.curves.tolist(),
        "seeds": len(seen.label),
        "verdicts": _columns(seen.summary["comparison"], "from", "to", "verdict"),
        "crossings": _columns(seen.summary["bayesian"], "from", "to", "n", "predictions"),
    }


def _columns(rows: list[dict[str, Any]], *columns: str) -> list[dict[str, Any]]:
    return [{column: row[column] for column in columns} for row in rows]


def picture(title: str, seen: PresetRun, low: float, high: float) -> Figure:
    """The loss of a one-parameter model from `low` to `high`, and both learners' shares beside it."""
    colors = style.palette(seen.names, phase_facts(seen.model))
    with style.look():
        figure = Figure(figsize=(11, 3.6), layout="constrained")
        loss, sgd, posterior = figure.subplots(1, 3)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        _landscape(loss, seen, colors, low, high)
        draw_shares(sgd, posterior, seen, colors)
        handles, names = posterior.get_legend_handles_labels()
        figure.legend(handles, names, loc="upper right", ncols=len(names))
    return figure


def families(seen: PresetRun) -> tuple[tuple[str, ...], Array]:
    """Names of the families of phases, and (phase, family) 1 where a phase belongs to one, else 0."""
    names, index = grouped(phase_facts(seen.model))
    return names, np.equal.outer(index, np.arange(len(names))).astype(float)


def draw_shares(
    sgd: Axes,
    posterior: Axes,
    seen: PresetRun,
    colors: style.Palette,
    groups: tuple[tuple[str, ...], Array] | None = None,
) -> None:
    """Shares of the phases, or of `groups` such as `families`: of SGD's seeds by step, and of the posterior by n."""
    names, belongs = groups or (seen.names, np.eye(len(seen.names)))
    _lines(sgd, seen.steps, seen.curves @ belongs, names, colors)
    step_axis(sgd, int(seen.steps[-1]))
    sgd.set(title="SGD", ylabel="share of seeds")
    _lines(posterior, seen.sample_sizes, seen.share @ belongs, names, colors)
    n_axis(posterior, seen.sample_sizes)
    posterior.set(title="Posterior", ylabel="probability")


def _lines(ax: Axes, x: Array, curves: Array, names: Sequence[str], colors: style.Palette) -> None:
    """(x, phase) shares as lines; "other" only where it ever holds 1 %."""
    for name, curve in zip(names, curves.T, strict=True):
        if name != "other" or curve.max() >= 0.01:
            ax.plot(x, curve, color=colors[name], label=name, lw=2)
    ax.set_ylim(-0.03, 1.03)


def n_axis(ax: Axes, sample_sizes: Array) -> None:
    """The report's axis of n; over many decades every other one is labeled, so that the labels fit."""
    style.n_axis(ax, sample_sizes)
    first, last = np.ceil(np.log10(sample_sizes[0])), np.floor(np.log10(sample_sizes[-1]))
    if last - first >= 4:
        ax.set_xticks(10 ** np.arange(first, last + 1, 2))


def step_axis(ax: Axes, last: int) -> None:
    """A logarithmic axis of steps that includes 0."""
    decades = 10 ** np.arange(int(np.log10(last)) + 1)
    ax.set_xscale("symlog", linthresh=1)
    ax.set_xticks([0, *decades], ["0", *(f"{step:,}" for step in decades)])
    ax.minorticks_off()
    ax.set_xlim(-0.1, last * 1.1)
    ax.set_xlabel("step (log scale)")


def _landscape(ax: Axes, seen: PresetRun, colors: style.Palette, low: float, high: float) -> None:
    """L(w), each well in its color, and above it where SGD starts and ends."""
    import jax

    w = np.linspace(low, high, 4001)
    loss = np.asarray(jax.jit(jax.vmap(seen.model.population_loss))({"w": w}))
    label = np.asarray(jax.jit(jax.vmap(seen.model.classify))({"w": w}))
    top = loss.max()
    for index, name in enumerate(seen.names):
        ax.plot(w, np.where(label == index, loss, np.nan), color=colors[name], lw=2)
    for level, at, mark in ((1.12, 0, "starts"), (1.06, -1, "ends")):
        points = seen.params["w"][:, at]
        inside = (points > low) & (points < high)
        ax.plot(points[inside], np.full(inside.sum(), level * top), "|", color=style.INK, ms=5, alpha=0.5)
        ax.annotate(mark, (high, level * top), ha="right", va="center", fontsize=style.SMALL, color=style.INK)
    ax.set(title="Loss, and SGD's runs above it", xlabel="w", ylabel="nats per observation")
