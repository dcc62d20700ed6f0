"""Where slt keeps what only saves time: the cache directory of the user, if there is one."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_directory(kind: str) -> Path | None:
    """The directory `kind` of slt's cache, made or not: under XDG_CACHE_HOME, or the system's place for caches.

    None where no home directory is known.
    """
    try:
        directory = user_cache_path("slt", appauthor=False) / kind
    except RuntimeError:
        return None
    return directory if directory.is_absolute() else None  # earlier platformdirs leave "~" as it is


def writable(directory: Path) -> bool:
    """Whether files can be made in `directory`, which is made if it is not there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(directory, os.W_OK | os.X_OK)
