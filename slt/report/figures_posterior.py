"""The posterior in n: which phase holds its mass, where it passes from one phase to the next, and by how many
nats."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from slt.records.base import Array
from slt.report import crossings, style
from slt.report.inputs import ReportInputs
from slt.report.report_figure import ReportFigure, report_figure
from slt.report.style import Palette
from slt.report.summaries import (
    VISIBLE,
    PhaseEnergy,
    error_text,
    estimate,
    phase_energy,
    sizes_text,
    units,
)

HIGHEST = 20.0  # nats: a phase that far above the total holds no visible mass


def occupancy(inputs: ReportInputs, palette: Palette) -> ReportFigure | None:
    """Posterior share of each phase against n, with crossings seen and predicted; None without a ladder."""
    seen = inputs.occupancy
    if seen is None:
        return None
    mean, error = estimate(units(seen.share))
    shown = crossings.of_families(inputs.comparison.verdicts)
    shown += crossings.of_phases(inputs.comparison.bayesian, seen.sample_sizes, mean, inputs.names)
    fig = style.figure(3.9 + (0.45 * len(shown) + 0.7) * bool(shown))
    if shown:
        top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=(3.4, 0.45 * len(shown) + 0.2))
        style.n_axis(bottom, seen.sample_sizes)
        crossings.rows(bottom, shown, palette)
        crossings.key(bottom)
    else:
        top = fig.subplots()
    style.n_axis(top, seen.sample_sizes, label=not shown)
    _hatch_not_trusted(top, inputs)
    drawn = _curves(top, seen.sample_sizes, mean, error, inputs.names, palette)
    for crossing in shown:
        crossings.verticals(top, crossing, palette)
    _share_axis(top, float(seen.floor))
    style.phase_legend(top, [inputs.names[i] for i in drawn], palette)
    return report_figure(
        fig,
        "occupancy",
        "The posterior as data grow",
        "Look for where one phase gives way to the next: each line is the share of the posterior's mass in a "
        f"phase, averaged ({sizes_text(seen)}; {error_text(seen)}). "
        + ("Verticals are the crossings that the free energy formula predicts. " if shown else "")
        + (
            f"No share below {float(seen.floor):.2g} (dotted) could be seen." if float(seen.floor) > 0 else ""
        ),
        "Posterior share of each phase against the number of observations n.",
        ("n", "phase", "share", "standard error"),
        (
            (n, name, mean[i, j], error[i, j])
            for i, n in enumerate(seen.sample_sizes)
            for j, name in enumerate(inputs.names)
        ),
    )


def _hatch_not_trusted(ax: Axes, inputs: ReportInputs) -> None:
    """A hatched band around each n whose posterior is not trusted, and a label in each."""
    assert inputs.occupancy is not None
    sample_sizes = inputs.occupancy.sample_sizes.astype(float)
    between = np.sqrt(sample_sizes[1:] * sample_sizes[:-1])
    edges = (
        [sample_sizes[0] ** 2 / between[0], *between, sample_sizes[-1] ** 2 / between[-1]]
        if len(sample_sizes) > 1
        else [sample_sizes[0] / 2, 2 * sample_sizes[0]]
    )
    for n_index in np.flatnonzero(np.isin(inputs.occupancy.sample_sizes, list(inputs.not_trusted))):
        ax.axvspan(
            edges[n_index],
            edges[n_index + 1],
            facecolor="none",
            edgecolor=style.FAINT,
            hatch="///",
            linewidth=0,
        )
        ax.text(
            sample_sizes[n_index],
            0.5,
            "not trusted",
            transform=ax.get_xaxis_transform(),
            rotation=90,
            ha="center",
            va="center",
            fontsize=8,
            color=style.GRAY,
        )


def _curves(
    ax: Axes, sample_sizes: Array, mean: Array, error: Array, names: tuple[str, ...], palette: Palette
) -> list[int]:
    """A line and a band for each phase that is ever big enough to be seen; their indices."""
    shown = [i for i in range(mean.shape[1]) if np.any(mean[:, i] > VISIBLE)]
    for i in shown:
        color = palette[names[i]]
        ax.plot(sample_sizes, mean[:, i], "o-", color=color, markersize=3.5, linewidth=1.8)
        low, high = np.clip(mean[:, i] - error[:, i], 0, None), mean[:, i] + error[:, i]
        if np.isfinite(error[:, i]).any():
            ax.fill_between(sample_sizes, low, high, color=color, alpha=0.22, linewidth=0)
    return shown


def _share_axis(ax: Axes, floor: float) -> None:
    ax.set_ylim(-0.02, 1.02)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    ax.set_ylabel("share of posterior mass")
    if floor > 0:
        ax.axhline(floor, color=style.GRAY, linewidth=0.9, linestyle=":")


def free_energy(inputs: ReportInputs, palette: Palette) -> ReportFigure | None:
    """F_n(W_a) - F_n of each phase against n, under F_n itself; None without a ladder."""
    seen = inputs.occupancy
    if seen is None:
        return None
    total = estimate(units(seen.free_energy))
    known = bool(np.isfinite(total.mean).any())
    fig = style.figure(5.4 if known else 4.2)
    if known:
        ax, strip = fig.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
        style.n_axis(strip, seen.sample_sizes)
        strip.plot(seen.sample_sizes, total.mean, "o-", color=style.INK, markersize=3, linewidth=1.3)
        low, high = total.mean - total.error, total.mean + total.error
        strip.fill_between(seen.sample_sizes, low, high, color=style.INK, alpha=0.2, linewidth=0)
        strip.set_ylabel("F_n, nats")
    else:
        ax = fig.subplots()
    style.n_axis(ax, seen.sample_sizes, label=not known)
    _hatch_not_trusted(ax, inputs)
    energy = phase_energy(seen)
    shown, bounded = _energies(
        ax, inputs, seen.sample_sizes, energy, np.any(seen.share > 0, axis=(0, 1, 2)), palette
    )
    style.phase_legend(ax, [inputs.names[i] for i in shown], palette)
    ax.set_ylabel("F_n(phase) − F_n, nats")
    return report_figure(
        fig,
        "free_energy",
        "Free energy of each phase",
        "The lowest line has most mass: it is −log of the phase's share, so that a phase one nat above another "
        "holds e times less mass. "
        + (
            "Triangles are lower bounds: the phase was not visited in some data set or repeat. "
            if bounded
            else ""
        )
        + ("The lower panel is F_n of the whole posterior." if known else ""),
        "Free energy of each phase above that of the posterior, against n.",
        (
            "n",
            "phase",
            "free energy above the posterior's, nats",
            "standard error",
            "bound",
            "F_n of the posterior, nats",
        ),
        (
            (
                n,
                name,
                energy.mean[i, j],
                energy.error[i, j],
                "lower" if energy.bound[i, j] else "",
                total.mean[i],
            )
            for i, n in enumerate(seen.sample_sizes)
            for j, name in enumerate(inputs.names)
        ),
    )


def _energies(
    ax: Axes, inputs: ReportInputs, sizes: Array, energy: PhaseEnergy, visited: Array, palette: Palette
) -> tuple[list[int], bool]:
    """Lines with error bars; returns the phases shown and whether any value is a bound."""
    mean, error, bound = energy
    mean = np.where(mean <= HIGHEST, mean, np.nan)
    shown = [i for i in range(mean.shape[1]) if visited[i] and np.isfinite(mean[:, i]).any()]
    ratio = (sizes[-1] / sizes[0]) ** (1 / max(len(sizes) - 1, 1))
    for place, i in enumerate(shown):
        color = palette[inputs.names[i]]
        # marks of different phases stand side by side, within part of the space between sample sizes
        sample_sizes = sizes * ratio ** ((place + 0.5 - len(shown) / 2) / (2.5 * len(shown)))
        sure = ~bound[:, i]
        near = sure | np.roll(sure, 1) | np.roll(sure, -1)
        ax.plot(sample_sizes, np.where(near, mean[:, i], np.nan), "-", color=color, linewidth=1.0, alpha=0.6)
        whisker = np.where(np.isfinite(error[:, i]), error[:, i], 0.0)
        ax.errorbar(
            sample_sizes[sure],
            mean[sure, i],
            whisker[sure],
            fmt="o",
            color=color,
            markersize=4,
            elinewidth=1.3,
        )
        ax.plot(sample_sizes[~sure], mean[~sure, i], "^", color=color, markersize=5, markerfacecolor="none")
    ax.set_ylim(bottom=min(-0.15, ax.get_ylim()[0]))
    return shown, bool(bound[:, shown].any())
