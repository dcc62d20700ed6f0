"""slt: when a model learns in sudden jumps, do SGD and Bayes jump alike?

    run = slt.run(["experiment=demo"])     # or slt.load("latest")
    run.summary                            # what was found
    run.records                            # trajectories, draws and occupancies as xarray

    slt.configure_jax()                    # first, where modules of slt are used without slt.run

Importing slt or any of its modules sets nothing in JAX, and nothing heavy is imported until it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slt.pipeline.execute import run
    from slt.runtime.jax_setup import configure_jax
    from slt.storage.runs import Run

__version__ = "0.1.0"
__all__ = ["configure_jax", "load", "run"]


def load(run: str | Path, store: str | Path = "runs") -> Run:
    """A run that exists: `.records` as an xarray DataTree, `.summary`, `.config`, `.status`.

    Args:
      run: a directory, a run's name or its beginning, or "latest".
      store: where runs are kept.

    Raises slt.storage.files.StoreError where there is no such run.
    """
    from slt.storage.runs import find_run

    return find_run(str(run), Path(store))


def __getattr__(name: str) -> Any:
    if name == "run":
        from slt.pipeline.execute import run

        return run
    if name == "configure_jax":
        from slt.runtime.jax_setup import configure_jax

        return configure_jax
    raise AttributeError(f"module 'slt' has no attribute {name!r}")
