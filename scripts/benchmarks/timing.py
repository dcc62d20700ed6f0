"""Two things timed in turn, A B A B, so that a machine whose speed drifts slows both; and whole processes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Pairs(NamedTuple):
    """Seconds of both, pair by pair."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times longer theirs took."""
        return [b / a for a, b in zip(self.ours, self.theirs, strict=True)]

    def row(self, name: str, bar: str = "") -> list[str]:
        """For a table: name, ours, theirs, ratio with its spread, what was asked for."""
        low, middle, high = spread(self.ratios)
        return [
            name,
            seconds(self.ours),
            seconds(self.theirs),
            f"{middle:.3g} ({low:.3g} to {high:.3g})",
            bar,
        ]

    def numbers(self) -> dict[str, Any]:
        return {"ours": self.ours, "theirs": self.theirs, "ratio": spread(self.ratios)}


HEADER = ["what", "slt, s", "other, s", "other / slt, median (range)", "wanted"]


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Lowest, median, highest."""
    return min(values), statistics.median(values), max(values)


def seconds(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3g}"


def timed(call: Callable[[], Any]) -> float:
    """Seconds of one call, which returns what is finished (no array still being computed)."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def paired(ours: Callable[[], Any], theirs: Callable[[], Any], pairs: int) -> Pairs:
    both = Pairs([], [])
    for _ in range(pairs):
        both.ours.append(timed(ours))
        both.theirs.append(timed(theirs))
    return both


class Process(NamedTuple):
    """A finished process: seconds, largest memory in MiB, the JSON of its last line (None where it is none)."""

    seconds: float
    mib: float
    reported: Any


def process(arguments: Sequence[str], **environment: str) -> Process:
    """Raises RuntimeError, with what it wrote, for a process that fails."""
    started = time.perf_counter()
    child = subprocess.Popen(
        arguments,
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert child.stdout is not None
    written = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    took = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {child.returncode}:\n{written[-2000:]}")
    try:
        reported = json.loads(written.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        reported = None
    return Process(took, usage.ru_maxrss / 1024, reported)
