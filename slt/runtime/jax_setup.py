"""The one place that sets JAX up: 64-bit floats on purpose, each core a device, compiled programs kept between
processes; and what goes back to 32 bits.

Posteriors, evidence and learning coefficients need float64: n L_n reaches 1e6 nats, and differences of one
nat decide which phase wins. SGD asks for float32 explicitly where it wants it.
"""

import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)

GROUP = Path("/sys/fs/cgroup")  # what a container is told of itself


def cores() -> int:
    """How many cores this process may use: those that it is let run on, or fewer where its container's quota is less.
    NPROC, which XLA heeds too, has the last word."""
    said = os.environ.get("NPROC", "")
    if said.isdecimal() and int(said) > 0:
        return int(said)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, int(_quota() or allowed)))


def _quota() -> float | None:
    """Cores' worth of CPU time that the container may use, by control groups of version 2 or 1; None: no limit."""
    newer, older = GROUP / "cpu.max", [GROUP / "cpu" / f"cpu.cfs_{part}_us" for part in ("quota", "period")]
    try:
        quota, period = newer.read_text().split() if newer.exists() else (file.read_text() for file in older)
        return float(quota) / float(period) if float(quota) > 0 else None
    except (OSError, ValueError):  # no container, or "max"
        return None


def _cores_made_devices() -> bool:
    """Whether each core of this machine is now a device of JAX: small steps, those of SGD and of Markov chains, use
    one core of a device. Not where the user said how many devices there are, or JAX is in use already."""
    forced = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if forced or jax.config.values["jax_num_cpu_devices"] >= 0:
        return False
    try:
        jax.config.update("jax_num_cpu_devices", cores())
    except RuntimeError:
        return False
    return True


CORES_ARE_DEVICES = _cores_made_devices()

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    jax.config.update("jax_compilation_cache_dir", str(_cache_home / "slt" / "jax"))
    # also the small ones: a run has dozens, which together take seconds
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def cast(tree: Any, dtype: Any) -> Any:
    """`tree` with its floating leaves in `dtype`; others (integers, keys) stay."""

    def one(leaf: Any) -> Any:
        return jnp.asarray(leaf, dtype) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating) else leaf

    return jax.tree.map(one, tree)
