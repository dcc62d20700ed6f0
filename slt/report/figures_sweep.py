"""A sweep's verdicts against what was swept: a panel for each pair of phases, or a row where one option differs."""

from __future__ import annotations

import dataclasses
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from slt.comparer.config_diff import canonical, distinct, last_names, short
from slt.comparer.sensitivity import axes as most_sensitive
from slt.comparer.sweep import NEITHER, NO_PHASE, NO_RESULT, OUTCOMES, counts, outcome
from slt.records.comparison import VERDICTS
from slt.report import style
from slt.report.summaries import plural
from slt.report.verdict_style import VERDICT_COLORS

MOST_PANELS, MOST_ROWS = 6, 16
_MEANING = {
    "both": "both: SGD and the posterior make it",
    "bayesian only": "bayesian only: the posterior, not SGD",
    "dynamical only": "dynamical only: SGD, not the posterior",
    "inconclusive": "inconclusive: too little evidence",
    NEITHER: "neither was seen to make it",
    NO_RESULT: "no result: failed, or not run yet",
    NO_PHASE: "the model has no such phase",
}
_COLORS = {**VERDICT_COLORS, NEITHER: ("#ffffff", style.GRAY), NO_RESULT: ("#ffffff", style.INK)}
_CELL = 0.78, 0.42  # inches
Key = tuple[str, str]  # a cell's row and column


@dataclasses.dataclass(frozen=True)
class Grid:
    """A panel: outcomes of the runs in each cell; labels by the key of a row or column, in order."""

    title: str
    below: str
    rows: Mapping[str, str]
    columns: Mapping[str, str]
    cells: Mapping[Key, Counter[str]]


def write_figure(
    table: Sequence[Mapping[str, Any]], level: str, options: Sequence[str], folder: Path
) -> list[Path]:
    """Write `folder`/verdicts.png and verdicts.svg; the arguments are those of `draw`. Raises OSError where they
    cannot be written."""
    with style.look():
        fig = draw(table, level, options)
        contents = {"verdicts.png": style.png(fig, transparent=False), "verdicts.svg": style.svg(fig)}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def draw(table: Sequence[Mapping[str, Any]], level: str, options: Sequence[str]) -> Figure:
    """The figure, to be made and saved under `style.look()`.

    The two options that change verdicts most are the axes of every panel; runs that differ in others share a cell.
    With one option, or none, pairs are the rows of one panel.

    Args:
      table: of `slt.comparer.sweep.rows`, with a pair in every row.
      level: whose pairs are shown, the most informative ones.
      options: that distinguish the runs.
    """
    ranked = counts(table, level)
    chosen = most_sensitive(table, level, options)
    own = [row for row in table if row["level"] == level]
    if len(chosen) == 2:
        shown = list(ranked)[:MOST_PANELS]
        down, across = sorted(chosen, key=lambda option: len({canonical(row[option]) for row in own}))
        grids = [_by_two(own, pair, ranked[pair], down, across) for pair in shown]
    else:
        shown = list(ranked)[:MOST_ROWS]
        down, across = "", chosen[0] if chosen else ""
        grids = [_by_pair(own, shown, across)]
    called = last_names(options)
    fig = _panels(grids, called.get(down, ""), called.get(across, ""))
    pooled = [called[option] for option in options if option not in chosen]
    found = ranked[shown[0]]
    missing = f", {found[NO_RESULT]} without a result" if found[NO_RESULT] else ""
    words = [f"{plural(found.total(), 'run')}{missing}."]
    if any(cell.total() > 1 for grid in grids for cell in grid.cells.values()):
        words.append(f"Numbers count those in a cell, which differ in {', '.join(pooled) or 'nothing'}.")
    if len(ranked) > len(shown):
        words.append(f"{plural(len(ranked) - len(shown), 'more pair')} in the table.")
    _heading(fig, words)
    _legend(fig, grids)
    return fig


def _heading(fig: Figure, words: Sequence[str]) -> None:
    lines = textwrap.wrap(" ".join(words), int(fig.get_figwidth() / style.text_width("n")))
    text = "\n".join(["Which transitions do SGD and the posterior share?", *lines])
    fig.suptitle(text, x=0.01, ha="left", fontsize=10)


def _legend(fig: Figure, grids: Sequence[Grid]) -> None:
    cells = [cell for grid in grids for cell in grid.cells.values()]
    present = {name for cell in cells for name in cell if name != NO_PHASE or len(cell) == 1}
    handles = [_swatch(name) for name in OUTCOMES if name in present]
    fig.legend(handles=handles, loc="outside lower left", ncols=2)


# -- what goes where --------------------------------------------------------------------------------------------
def _by_two(
    table: Sequence[Mapping[str, Any]], pair: tuple[str, str], found: Counter[str], down: str, across: str
) -> Grid:
    cells: dict[Key, Counter[str]] = {}
    for row in table:
        if (row["from"], row["to"]) == pair:
            key = canonical(row[down]), canonical(row[across])
            cells.setdefault(key, Counter())[outcome(row)] += 1
    below = ", ".join(f"{found[name]} {name}" for name in (*VERDICTS, NEITHER) if found[name])
    return Grid(" → ".join(pair), below, _labels(table, down), _labels(table, across), cells)


def _by_pair(table: Sequence[Mapping[str, Any]], pairs: Sequence[tuple[str, str]], across: str) -> Grid:
    cells: dict[Key, Counter[str]] = {}
    for row in table:
        if (row["from"], row["to"]) in pairs:
            key = " → ".join((row["from"], row["to"])), canonical(row[across]) if across else ""
            cells.setdefault(key, Counter())[outcome(row)] += 1
    rows = {" → ".join(pair): " → ".join(pair) for pair in pairs}
    return Grid("", "", rows, _labels(table, across) if across else {"": "all runs"}, cells)


def _labels(table: Sequence[Mapping[str, Any]], option: str) -> dict[str, str]:
    values = distinct(row[option] for row in table)
    return {key: textwrap.shorten(short(value), 24, placeholder="…") for key, value in values.items()}


# -- drawing ----------------------------------------------------------------------------------------------------
def _panels(grids: Sequence[Grid], down: str, across: str) -> Figure:
    first = grids[0]
    wide = 0.3 + max(style.text_width(label) for label in first.rows.values())
    width = max(0.5 * len(first.columns), min(4.2, _CELL[0] * len(first.columns)))
    columns = 1 if len(grids) == 1 or width > 5 else 2
    rows = -(-len(grids) // columns)
    high = _CELL[1] * len(first.rows) + (0.95 if down else 0.3)
    fig = style.figure(1.9 + rows * high, max(style.WIDTH, wide + columns * (width + 0.4)))
    every = fig.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for i, ax in enumerate(every):
        if i >= len(grids):
            ax.set_visible(False)
            continue
        _panel(ax, grids[i], width / len(first.columns))
        ax.tick_params(labelbottom=True)
        ax.set_xlabel(across)
        ax.set_ylabel(down if i % columns == 0 else "")
    return fig


def _panel(ax: Axes, grid: Grid, cell_width: float) -> None:
    for y, row in enumerate(grid.rows):
        for x, column in enumerate(grid.columns):
            _cell(ax, x, y, grid.cells.get((row, column), Counter()), cell_width)
    ax.set_xlim(-0.5, len(grid.columns) - 0.5)
    ax.set_ylim(len(grid.rows) - 0.5, -0.5)
    ax.set_xticks(range(len(grid.columns)), list(grid.columns.values()))
    ax.set_yticks(range(len(grid.rows)), list(grid.rows.values()))
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    if grid.title:
        ax.set_title(grid.below, fontsize=8.5, color="#555555", pad=3)
        ax.annotate(
            grid.title, (0, 1), (0, 18), "axes fraction", textcoords="offset points", fontweight="bold"
        )


def _cell(ax: Axes, x: int, y: int, found: Counter[str], width: float) -> None:
    """A cell split by outcome, with counts where it holds several runs; those without the phase are marked only where
    there is no other."""
    runs = [name for name in OUTCOMES if found[name] and name != NO_PHASE]
    if not runs:
        if found:
            ax.text(x, y, "–", ha="center", va="center", color=style.GRAY)
        return
    total = sum(found[name] for name in runs)
    left = x - 0.47
    for name in runs:
        share = 0.94 * found[name] / total
        ax.add_patch(Rectangle((left, y - 0.45), share, 0.9, **_fill(name)))
        text = str(found[name])
        if total > 1 and style.text_width(text) < share * width:
            ax.text(left + share / 2, y, text, ha="center", va="center", fontsize=9, color=_COLORS[name][1])
        left += share


def _fill(name: str) -> dict[str, Any]:
    edge = {"edgecolor": style.FAINT, "linewidth": 0.8}
    if name == NO_RESULT:
        return {"facecolor": "none", "hatch": "////", **edge}
    return {"facecolor": _COLORS[name][0], **(edge if name == NEITHER else {"linewidth": 0})}


def _swatch(name: str) -> Artist:
    if name == NO_PHASE:
        return Line2D([], [], color=style.GRAY, marker="_", linestyle="none", label=_MEANING[name])
    return Patch(label=_MEANING[name], **_fill(name))
