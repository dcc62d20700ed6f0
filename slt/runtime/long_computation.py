"""Long computations in pieces: what the pipeline drives, shows progress of, and resumes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

R_co = TypeVar("R_co", covariant=True)


class LongComputation(Protocol, Generic[R_co]):
    """A computation as `init`, repeated `advance`, `finish`.

    `total` and `progress` count the same unit of work, which `unit` names ("steps", "sample sizes", ...).
    It is done when `progress(state) >= total`.
    """

    @property
    def total(self) -> int: ...
    @property
    def unit(self) -> str: ...

    def init(self, key: Any) -> Any: ...
    def advance(self, state: Any) -> tuple[Any, Any]: ...
    def progress(self, state: Any) -> int: ...
    def finish(self, chunks: list[Any]) -> R_co: ...


def drive(stage: LongComputation[R_co], key: Any, report: Callable[[int], None] = lambda done: None) -> R_co:
    """Run it to its end and return its record; `report` is called with the work done after each piece."""
    state, chunks = stage.init(key), []
    while stage.progress(state) < stage.total:
        state, chunk = stage.advance(state)
        chunks.append(chunk)
        report(stage.progress(state))
    return stage.finish(chunks)
