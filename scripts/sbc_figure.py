"""Rank histograms as small multiples: a row for each model, a column for each sampler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scripts import sbc_ranks
from scripts.sbc_cases import LOG_LIKELIHOOD
from slt.report import style

SHOWN = ("the prior", "SGLD, step 1, batches")  # what ought to fail, beside what ought not
BAND, FAILS, HOLDS, LIKELIHOOD = "#e2e6ea", "#D55E00", "#56B4E9", "#0072B2"


def png(exact: Sequence[Any], others: Sequence[Any], threshold: float) -> bytes:
    """Every histogram of `exact`, and those of `others` that are shown (each a `sbc.Histogram`)."""
    rows = [*exact, *(row for row in others if row.sampler in SHOWN)]
    cases, samplers = (
        list(dict.fromkeys(getattr(row, name) for row in rows)) for name in ("case", "sampler")
    )
    with style.look():
        fig = style.figure(1.35 * len(cases) + 1.2, 1.3 * len(samplers) + 1.0)
        axes = fig.subplots(len(cases), len(samplers), sharex=True, sharey=True, squeeze=False)
        for i, case in enumerate(cases):
            axes[i, 0].set_ylabel(case.replace(", ", ",\n"))
            for j, sampler in enumerate(samplers):
                mine = [row for row in rows if (row.case, row.sampler) == (case, sampler)]
                if mine:
                    _panel(axes[i, j], mine, threshold)
                else:
                    axes[i, j].axis("off")
                if i == 0:
                    axes[i, j].set_title(sampler.replace(", ", ",\n"), fontsize=style.SMALL, loc="center")
        fig.suptitle(
            "Rank of the true value among posterior draws. Calibrated: bars stay in the gray band",
            fontsize=12,
        )
        fig.legend(*_legend(), loc="outside lower center", ncols=4)
        return style.png(fig, transparent=False)


def _panel(ax: Any, rows: Sequence[Any], threshold: float) -> None:
    edges = np.linspace(0, 1, sbc_ranks.BINS + 1)
    low, high = sbc_ranks.band(int(sum(rows[0].counts)), 0.99)
    ax.axhspan(low, high, color=BAND, lw=0)
    for row in rows:
        bars = sbc_ranks.bars(np.array(row.counts))
        likelihood = row.quantity == LOG_LIKELIHOOD
        color = FAILS if row.p < threshold else LIKELIHOOD if likelihood else HOLDS
        ax.stairs(bars, edges, color=color, lw=1.6 if likelihood else 1.0, baseline=None)
    ax.set_ylim(0, 3 * high)
    ax.set_xlim(0, 1)
    ax.set_xticks([])
    ax.set_yticks([])
    if any(row.p < threshold for row in rows):
        ax.text(0.5, 0.97, "fails", color=FAILS, transform=ax.transAxes, ha="center", va="top", weight="bold")


def _legend() -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    lines = [Line2D([], [], color=c, lw=w) for c, w in ((HOLDS, 1.0), (LIKELIHOOD, 1.6), (FAILS, 1.6))]
    words = ["parameters", "log likelihood", "not uniform", "99 % of an exact sampler's histograms"]
    return [*lines, Patch(color=BAND)], words
