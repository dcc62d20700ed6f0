"""Two craters with the same bottom, one at the end of a valley: where SGD ends against where the posterior is."""

from __future__ import annotations

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.finding import Finding, verdict_of
from experiments.learners import PresetRun, as_data, run_preset
from experiments.statistics import binomial_interval
from slt.phases.classification import phase_facts
from slt.report import style

CLAIM = (
    "A crater that no valley leads to has a far smaller basin of attraction, so SGD seldom ends in it; the posterior "
    "gives each crater one half."
)
SOURCE = "a common claim without a source"


def study(reduced: bool = False) -> Finding:
    """Holds where, of the seeds that end in a crater, the 95 % interval of those in the isolated one lies below a
    quarter while the posterior gives each one half (to 1e-6, at the largest n); mixed where only the posterior does
    as claimed or only SGD; else fails."""
    few = (
        "training.seeds=48",
        "training.steps=2000",
        "training.checkpoints=20",
        "posterior.sample_sizes=[5,100,1000]",
    )
    seen = run_preset("experiment=crater_valley", *(few if reduced else ()))
    crater, valley = seen.ends("crater"), seen.ends("valley")
    low, high = binomial_interval(crater, max(crater + valley, 1))
    halves = bool(np.all(np.abs(seen.share[-1, :2] - 0.5) < 1e-6))
    seldom = high < 0.25
    return Finding(
        verdict=verdict_of((seldom, halves)),
        numbers=f"SGD ends in the valley's crater {valley} times, in the other {crater} times, of {len(seen.label)} "
        f"(the other's share of both: 95 % interval {low:.0%} to {high:.0%}); the posterior gives "
        f"each {seen.share[-1, 0]:.4f} at n = {seen.sample_sizes[-1]:,}",
        figure=_figure(seen),
        data={**as_data(seen), "ends": {name: seen.ends(name) for name in seen.names}},
    )


def _figure(seen: PresetRun) -> Figure:
    """The plane with the loss and where SGD ends; beside it each learner's shares of the craters."""
    names = [*seen.names[:2], "elsewhere"]
    colors = style.palette(seen.names, phase_facts(seen.model))
    with style.look():
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        plane, bars = figure.subplots(1, 2, width_ratios=(1.2, 1))
        title = "Two craters alike: SGD ends in the one at the end of a valley, the posterior halves"
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        _plane(plane, seen, colors)
        sgd, posterior = seen.curves[-1], seen.share[-1]
        for offset, share, learner, hatch in ((-0.2, sgd, "SGD", ""), (0.2, posterior, "posterior", "//")):
            drawn = bars.bar(
                np.arange(3) + offset,
                share,
                0.38,
                color=[colors[name] for name in names],
                hatch=hatch,
                edgecolor="white",
            )
            bars.bar_label(drawn, [f"{learner}\n{value:.0%}" for value in share], fontsize=style.SMALL)
        bars.set_xticks(range(3), ["isolated crater", "valley's crater", "elsewhere"])
        bars.set(ylim=(0, 1.15), ylabel="share of seeds, probability")
        bars.set_title(f"SGD's ends, and the posterior at n = {seen.sample_sizes[-1]:,}")
    return figure


def _plane(ax: Axes, seen: PresetRun, colors: style.Palette) -> None:
    """The loss as shades of gray, and SGD's starts in the colors of where they end."""
    side = np.linspace(-2.8, 2.8, 200)
    grid = np.stack(np.meshgrid(side, side), -1)
    loss = jax.jit(jax.vmap(jax.vmap(lambda w: seen.model.population_loss({"w": w}))))(grid)
    drawn = ax.contourf(side, side, np.asarray(loss), levels=np.linspace(0, 1.001, 21), cmap="Grays_r")
    ax.figure.colorbar(drawn, ax=ax, label="loss, nats per observation", ticks=np.linspace(0, 1, 6))
    for index, name in enumerate(seen.names):
        starts = seen.params["w"][seen.label[:, -1] == index, 0]
        ax.scatter(starts[:, 0], starts[:, 1], s=14, color=colors[name])
    ax.set(aspect="equal", xlim=(-2.8, 2.8), ylim=(-2.8, 2.8), xlabel="x", ylabel="y")
    ax.set_title("Loss, and SGD's starts in the color of where they end")
