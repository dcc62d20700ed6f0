"""What a study of `scripts` returns, and where it is kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"


@dataclasses.dataclass(frozen=True)
class Result:
    """What a study found: `markdown` for people, `numbers` (JSON) for programs, PNG figures by file name."""

    markdown: str
    numbers: dict[str, Any]
    figures: dict[str, bytes] = dataclasses.field(default_factory=dict)


def table(header: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])
