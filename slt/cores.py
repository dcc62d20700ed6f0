"""Each core of this machine as a JAX device of its own, over which a run spreads (`slt.sharding`).

XLA keeps one core busy with loops as small as ours, however many there are.
"""

from __future__ import annotations

import os
import sys

_FLAG = "--xla_force_host_platform_device_count"


def use_all() -> None:
    """To be called before JAX is imported; does nothing afterwards, nor where XLA_FLAGS or NPROC say how many."""
    flags = os.environ.get("XLA_FLAGS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores > 1 and "jax" not in sys.modules and _FLAG not in flags and "NPROC" not in os.environ:
        os.environ["XLA_FLAGS"] = f"{flags} {_FLAG}={cores}".strip()
