"""One style for every figure: a fixed color for each phase, plain numbers on axes, PNG and SVG bytes out."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import colors, ticker
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.optimize import isotonic_regression

from slt.records.phases import PhaseFacts

WIDTH = 6.4  # inches: read at 720 px on a desk and at 360 px on a phone, so type stays at 9 points and over
INK, FAINT, GRAY, OTHER = "#222222", "#c9c9c9", "#8f8f8f", "#b9b9b9"
SMALL = 9.0
# Okabe and Ito 2008, distinguished with any common color blindness; yellow is left out (too faint on white), and
# green a little darker, to differ from light orange
_HUES = ("#0072B2", "#D55E00", "#00916A", "#CC79A7", "#E69F00", "#56B4E9")
_RC: dict[str, Any] = {
    "text.parse_math": False,  # a phase may be called "a_$"
    "font.size": 10.5,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GRAY,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "path.simplify": True,
    "svg.hashsalt": "slt",  # otherwise the names of clipping paths are random
}


@dataclasses.dataclass(frozen=True)
class Palette:
    """Colors by name of a phase or a family; a name it does not know is gray, as "other" is."""

    colors: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.colors.get(name, OTHER)

    def ink(self, name: str) -> str:
        """The phase's color, darkened where needed to be read as text on white."""
        return mix(self[name], "#000000", max(0.0, 1 - 0.4 / max(brightness(self[name]), 1e-9)))

    def on_dark(self, name: str) -> str:
        """The phase's color, lightened to stand out on a dark ground; light ones stay."""
        if brightness(self[name]) > 0.7:
            return self[name]
        return colors.to_hex(tuple(np.minimum(1.0, 1.3 * np.array(colors.to_rgb(self[name])))))


def palette(names: Sequence[str], facts: Sequence[PhaseFacts]) -> Palette:
    """A hue for each family, and within it a shade for each member, from light to dark."""
    family_of = {fact.name: fact.family for fact in facts}
    families: dict[str, list[str]] = {}
    for name in names:
        if name != "other":
            families.setdefault(family_of.get(name, name), []).append(name)
    colors: dict[str, str] = {}
    for hue, (family, members) in zip(_hues(len(families)), families.items(), strict=True):
        shades = [0.0] if len(members) == 1 else np.linspace(0.42, -0.22, len(members))
        for name, shade in zip(members, shades, strict=True):
            colors[name] = mix(hue, "#ffffff" if shade > 0 else "#000000", abs(shade))
        if len(members) > 1:
            colors[f"{family}-family"] = hue
    return Palette(colors)


def brightness(color: str) -> float:
    """From 0, black, to 1, white, as perceived (Rec. 709 weights)."""
    return float(np.array(colors.to_rgb(color)) @ [0.2126, 0.7152, 0.0722])


def _hues(count: int) -> list[str]:
    if count <= len(_HUES):
        return list(_HUES[:count])
    ramp = mpl.colormaps["viridis"](np.linspace(0, 0.9, count))
    return [colors.to_hex(color) for color in ramp]


def mix(color: str, other: str, share: float) -> str:
    """`color` with `share` of `other` in it."""
    mixed = (1 - share) * np.array(colors.to_rgb(color)) + share * np.array(colors.to_rgb(other))
    return colors.to_hex(tuple(mixed))


@contextmanager
def look() -> Iterator[None]:
    """The settings under which every figure is made and saved; the caller's own come back afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()  # not the machine's own settings
        mpl.rcParams.update(_RC)  # type: ignore[arg-type]
        yield


def figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, sizes in inches, that makes room for its own labels."""
    return Figure(figsize=(width, height), layout="constrained")


def png(fig: Figure, transparent: bool = True) -> bytes:
    """The figure as PNG, on a transparent or a white ground; the same figure always gives the same bytes."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=170, transparent=transparent, metadata={"Software": None})
    return buffer.getvalue()


def svg(fig: Figure) -> bytes:
    """The figure as SVG on a transparent ground, letters as outlines; the same figure always gives the same bytes."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def plain_log(axis: Axis, low: float, high: float) -> None:
    """Numbers in full (50, 0.06), never powers, on a logarithmic axis from `low` to `high`: about five."""
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.10g}"))
    if high < 3 * low:
        axis.set_major_locator(ticker.MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        return
    decades = np.log10(high / low)
    subs: tuple[float, ...] = (1.0,) if decades > 4 else (1.0, 3.0) if decades > 2 else (1.0, 2.0, 5.0)
    if decades < 1:
        subs = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
    axis.set_major_locator(ticker.LogLocator(subs=subs))


def n_axis(ax: Axes, sample_sizes: np.ndarray, label: bool = True) -> None:
    """A logarithmic axis of n that covers the ladder's sample sizes."""
    low, high = float(np.min(sample_sizes)), float(np.max(sample_sizes))
    ax.set_xscale("log")
    margin = (high / low) ** 0.03 if high > low else 1.5
    ax.set_xlim(low / margin, high * margin)
    plain_log(ax.xaxis, low, high * margin)
    if label:
        ax.set_xlabel("n, observations (log scale)")


def phase_legend(ax: Axes, names: Sequence[str], palette: Palette) -> None:
    """Named colors above the axes, in as many rows as they need."""
    rows = 1 + int(sum(0.42 + text_width(name) for name in names) / 4.6)
    handles = [Line2D([], [], color=palette[name], linewidth=5, solid_capstyle="butt") for name in names]
    ax.legend(
        handles,
        list(names),
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=max(1, -(-len(names) // rows)),
        handlelength=1.0,
        columnspacing=1.2,
        borderaxespad=0.2,
        title=None,
    )


def text_width(text: str) -> float:
    """About how wide a small label is, in inches."""
    return 0.078 * len(text)


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions in [low, high] moved least, in squares, to stand `gap` apart in the same order within it.

    More than fit are spaced evenly. With i gaps taken from the i-th position, order with distance is order alone,
    which isotonic regression solves.
    """
    order = np.argsort(positions, kind="stable")
    gap = min(gap, (high - low) / max(len(positions) - 1, 1))
    steps = gap * np.arange(len(positions))
    placed = np.empty(len(positions))
    if len(positions):
        fitted = isotonic_regression(np.asarray(positions, float)[order] - steps).x
        placed[order] = np.clip(fitted, low, high - steps[-1]) + steps
    return placed.tolist()
