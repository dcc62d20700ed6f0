"""A finished figure: the picture as PNG and SVG, the numbers that it shows, and its texts."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from slt.report import style


class Numbers(NamedTuple):
    """What a figure shows, as a table: one row for each mark or point; NaN and None are missing."""

    header: tuple[str, ...]
    rows: list[tuple[object, ...]]

    def csv(self) -> bytes:
        """RFC 4180, UTF-8; floats to 8 significant digits, missing values empty."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(self.header)
        writer.writerows([_cell(value) for value in row] for row in self.rows)
        return text.getvalue().encode()


@dataclasses.dataclass(frozen=True)
class ReportFigure:
    """File stem, heading, one sentence on what to look at, a text alternative, and the figure itself."""

    name: str
    title: str
    caption: str
    alt: str
    png: bytes
    svg: bytes
    numbers: Numbers

    def files(self) -> dict[str, bytes]:
        """File name -> content, in every format."""
        contents = {"png": self.png, "svg": self.svg, "csv": self.numbers.csv()}
        return {f"{self.name}.{kind}": content for kind, content in contents.items()}


def report_figure(
    fig: Figure,
    name: str,
    title: str,
    caption: str,
    alt: str,
    header: Iterable[str],
    rows: Iterable[tuple[object, ...]],
) -> ReportFigure:
    """The record of a finished figure; `header` and `rows` are the numbers that it shows."""
    return ReportFigure(
        name, title, caption, alt, style.png(fig), style.svg(fig), Numbers(tuple(header), list(rows))
    )


def _cell(value: object) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.8g}" if np.isfinite(value) else ""
    return "" if value is None else str(value)
