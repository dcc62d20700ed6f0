"""The page's interactive part: its script, the data that it reads, and the policy that lets only it run."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slt.report.report_figure import ReportFigure

_PARTS = ("page_scales.js", "page_charts.js", "page_pictures.js", "page.js")
SCRIPT = "\n".join((Path(__file__).parent / part).read_text(encoding="utf-8") for part in _PARTS)
MOST_PACKED = 2_000_000  # characters of base64 of one file: a larger one exists only beside the page


def policy() -> str:
    """Nothing is fetched, and nothing runs but the page's own script, whatever the records contain."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )


def block(data: Mapping[str, Any]) -> str:
    """The content of the data block. No text in it can end the block: JSON may write "<" as an escape."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace(
        "<", "\\u003c"
    )


def packed(figures: Sequence[ReportFigure]) -> dict[str, str]:
    """File name -> gzip in base64, of the SVG and the CSV of each figure."""
    files = {name: content for report_figure in figures for name, content in report_figure.files().items()}
    texts = {
        name: base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
        for name, content in files.items()
        if not name.endswith(".png")
    }
    return {name: text for name, text in texts.items() if len(text) <= MOST_PACKED}
