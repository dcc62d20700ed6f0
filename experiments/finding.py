"""The result of a study: a verdict on its claim, numbers and a figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from matplotlib.figure import Figure

VERDICTS = ("holds", "mixed", "fails")


def verdict_of(parts: Iterable[bool]) -> str:
    """Of a claim: it holds if all its parts do, fails if none does, and is mixed otherwise."""
    each = list(parts)
    return "holds" if all(each) else "mixed" if any(each) else "fails"


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a study found.

    Attributes:
      verdict: whether the claim "holds", "fails", or is "mixed"; computed from what was measured.
      numbers: the decisive ones with their errors, on one line.
      figure: one picture, to be understood in ten seconds.
      data: everything that was measured, as JSON.

    Raises ValueError for another verdict, or numbers that are none or take several lines.
    """

    verdict: str
    numbers: str
    figure: Figure
    data: dict[str, Any]

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(
                f"a claim {', '.join(VERDICTS[:-1])}, or is {VERDICTS[-1]}; not {self.verdict!r}"
            )
        if "\n" in self.numbers or not any(letter.isdigit() for letter in self.numbers):
            raise ValueError("numbers must be one line that holds some")
