"""What a person sees while a run is under way: a bar on a terminal, a line for each stage elsewhere."""

from __future__ import annotations

import sys
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Silent:
    """Is told how far a run is, and shows nothing.

    Calls come in this order: `start`, perhaps `wait`, then `begin` and any number of `update` for a stage that can
    tell how far it is, then `end`.
    """

    def start(self, stage: str, what: str) -> None:
        """`stage` begins; `what` it does, in a few words."""

    def wait(self) -> None:
        """Another process is making what the stage makes, and this one waits for it."""

    def begin(self, total: int, unit: str) -> None:
        """The stage has `total` units of work to do."""

    def update(self, done: int) -> None:
        """`done` of them are done."""

    def end(self, outcome: str = "") -> None:
        """The stage has ended; "" where it did not end well."""


class Lines(Silent):
    """One line for each stage, when it ends."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr
        self._line = ""

    def start(self, stage: str, what: str) -> None:
        self._line = f"{stage:<12}{what}"

    def wait(self) -> None:
        print(f"{self._line}: another run is making it, and this one waits", file=self._stream, flush=True)

    def end(self, outcome: str = "") -> None:
        if outcome:
            print(f"{self._line}: {outcome}", file=self._stream, flush=True)


class Bars(Lines):
    """A bar that moves while a stage runs, and its line when it has ended."""

    def __init__(self, console: Console) -> None:
        super().__init__(console.file)
        self._console = console
        self._bar: Bar | None = None

    def begin(self, total: int, unit: str) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._bar = Bar(*columns, console=self._console, transient=True)
        self._bar.add_task(self._line.split(" ")[0], total=total)
        self._bar.start()

    def update(self, done: int) -> None:
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done)

    def end(self, outcome: str = "") -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        super().end(outcome)


def progress_for(wanted: bool) -> Silent:
    """Bars on a terminal or in a notebook, lines elsewhere; nothing if progress is not `wanted`."""
    if not wanted:
        return Silent()
    console = Console(stderr=True)
    return Bars(console) if console.is_terminal or console.is_jupyter else Lines()
