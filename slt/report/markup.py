"""The page's templates: whatever enters them is escaped, unless it is `Markup` already."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from slt.report.summaries import plural

__all__ = ["TEMPLATES", "Markup", "parts"]

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
TEMPLATES.filters |= {"base64": lambda content: base64.b64encode(content).decode(), "plural": plural}
parts: Any = TEMPLATES.get_template("parts.html").module  # its macros, as functions that return Markup
