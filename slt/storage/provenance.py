"""What a run was made with: versions, device, commit."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("slt", "jax", "jaxlib", "numpy", "optax", "numpyro", "blackjax", "xarray", "zarr", "scipy")


def versions() -> dict[str, Any]:
    """Of Python and packages, the device, and the commit of a checkout."""
    import jax

    return {
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in PACKAGES},
        },
        "device": ", ".join(sorted({device.device_kind for device in jax.devices()})),
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of the checkout that runs, "... (modified)" where it differs from it; None outside a checkout."""
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / ".git").exists():
        return None

    def git(*words: str) -> str:
        told = subprocess.run(
            ["git", "-C", str(checkout), *words], capture_output=True, text=True, check=True
        )
        return told.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "slt", "configs")
        return git("rev-parse", "HEAD") + (" (modified)" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None
