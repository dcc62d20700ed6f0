"""Where slt keeps what only saves time: the cache directory of the user, if there is one."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory(kind: str) -> Path | None:
    """The directory `kind` of slt's cache, made or not: under XDG_CACHE_HOME, or under .cache at home.

    None where no home directory is known.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(given) if given else Path.home() / ".cache") / "slt" / kind
    except RuntimeError:  # neither HOME nor an entry for the user
        return None


def writable(directory: Path) -> bool:
    """Whether files can be made in `directory`, which is made if it is not there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(directory, os.W_OK | os.X_OK)
