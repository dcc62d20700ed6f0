"""Plain files: JSON and text that are replaced in one step, hashes of plain values, the format of stored files."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from slt.errors import UserError

FORMAT = 2  # of records, runs and sweeps on disk


class StoreError(UserError):
    """A record or run that cannot be read: names the path, what was wrong, and what would be right."""


def digest(value: Any) -> str:
    """16 hex digits that stand for a nested plain value; 6 and 6.0 differ, the order of keys does not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_json(path: Path) -> Any:
    """Raises StoreError where the file is missing or is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error


def write_json(path: Path, value: Any) -> None:
    """Replace `path` in one step: readers see the old value or the new one."""
    write_text(path, text_of(value))


def write_text(path: Path, text: str) -> None:
    """Replace `path` in one step: readers see the old text or the new one."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` in one step: readers see the old content or the new one."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def check_format(path: Path, meta: Any, kind: str) -> None:
    """Raises StoreError unless `meta` is that of a `kind` in the format that this version reads."""
    if not isinstance(meta, dict) or meta.get("kind") != kind:
        raise StoreError(f"{path} is not a {kind} of slt: its meta data name none")
    if meta.get("format") != FORMAT:
        raise StoreError(
            f"{path} was written in format {meta.get('format')}, and this slt reads format {FORMAT}\n"
            "Read it with the version that wrote it, or run it again"
        )


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def text_of(value: Any) -> str:
    """JSON as it is stored: readable, and without NaN."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
