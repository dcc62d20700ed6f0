"""JAX as slt needs it: set on request by `configure_jax`, never at import, and asked for by `require_float64`.

Posteriors, evidence and learning coefficients need float64: n L_n reaches 1e6 nats, and differences of one
nat decide which phase wins. SGD asks for float32 explicitly where it wants it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt.errors import ConfigError
from slt.runtime.cache import cache_directory, writable

GROUP = Path("/sys/fs/cgroup")  # what a container is told of itself
_made: int | None = None  # how many cores `configure_jax` made devices of JAX


def configure_jax() -> None:
    """Set JAX up for slt: 64-bit floats, each core of a CPU a device, compiled programs kept between processes.

    `slt.run` and the command line call this. Scripts and notebooks that use the modules of slt call it themselves,
    before anything is computed with JAX: the number of devices cannot change afterwards. A second call changes
    nothing.

    What the user has set stays: the number of devices (XLA_FLAGS, JAX_NUM_CPU_DEVICES or jax.config), how many
    cores there are (NPROC), and where compiled programs are kept (JAX_COMPILATION_CACHE_DIR or jax.config).
    """
    global _made
    if not jax.config.values["jax_enable_x64"]:
        jax.config.update("jax_enable_x64", True)
        # JAX remembers what it converted a NumPy array to, float32 and int32 until now, by the array's identity
        jax.clear_caches()
    if _made is None and not _devices_chosen():
        number = cores()
        try:
            jax.config.update("jax_num_cpu_devices", number)
            _made = number
        except RuntimeError:  # JAX is in use already
            pass
    _keep_compiled_programs()


def require_float64() -> None:
    """Raises ConfigError where JAX has 64-bit floats switched off: no number of slt is computed without them."""
    if not jax.config.values["jax_enable_x64"]:
        raise ConfigError(
            "JAX computes in 32 bits now, and slt needs float64\n"
            'Call slt.configure_jax() first, or jax.config.update("jax_enable_x64", True)\n'
            "Where that was done, some imported module or called function has switched float64 off again"
        )


@contextlib.contextmanager
def in_float64() -> Iterator[None]:
    """A computation in float64, before and after which `require_float64` holds.

    What a function of the user's switches in between has no effect on this thread: a change within a trace crashes
    the compiled program. It raises ConfigError at the end, whatever else it may have led to.
    """
    require_float64()
    try:
        with jax.enable_x64(True):
            yield
    finally:
        require_float64()


def cores_are_devices() -> bool:
    """Whether the devices of JAX are the cores of this machine, which XLA could also use within one device."""
    return (
        _made is not None
        and jax.config.values["jax_num_cpu_devices"] == _made
        and jax.default_backend() == "cpu"
    )


def cores() -> int:
    """How many cores this process may use: those that it is let run on, or fewer where its container's quota is less.
    NPROC, which XLA heeds too, has the last word."""
    given = os.environ.get("NPROC", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, int(_quota() or allowed)))


def cast(tree: Any, dtype: Any) -> Any:
    """`tree` with its floating leaves in `dtype`; others (integers, keys) stay."""

    def one(leaf: Any) -> Any:
        return jnp.asarray(leaf, dtype) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating) else leaf

    return jax.tree.map(one, tree)


def owned(tree: Any) -> Any:
    """`tree` with arrays that nobody else can change: copies in NumPy, floating ones in float64, others as they are.

    The copies are read-only, and are not copied a second time. Each leaf is a new object even then: JAX remembers by
    the array's identity what it converted a NumPy array to, so that one used before 64-bit floats were switched on
    would stay in 32 bits, or crash the compiled program. Arrays of JAX, which cannot change, are only cast.
    """

    def one(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array):
            return leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
        array = np.asarray(leaf)
        dtype = np.dtype(np.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array.dtype
        if array.flags.writeable or array.dtype != dtype:
            array = np.array(array, dtype)
            array.flags.writeable = False
        return array.view()

    return jax.tree.map(one, tree)


def import_untraced(name: str) -> ModuleType:
    """The module `name`, for packages that compute something at import, as BlackJAX does. Imported with slt they
    would start JAX, after which the number of devices is fixed; imported within a trace they would keep a tracer."""
    with jax.ensure_compile_time_eval():
        return importlib.import_module(name)


def _quota() -> float | None:
    """Cores' worth of CPU time that the container may use, by control groups of version 2 or 1; None: no limit."""
    newer, older = GROUP / "cpu.max", [GROUP / "cpu" / f"cpu.cfs_{part}_us" for part in ("quota", "period")]
    try:
        quota, period = newer.read_text().split() if newer.exists() else (file.read_text() for file in older)
        return float(quota) / float(period) if float(quota) > 0 else None
    except (OSError, ValueError):  # no container, or "max"
        return None


def _devices_chosen() -> bool:
    """Whether the user said how many devices there are. Otherwise each core is made one: small steps, those of SGD
    and of Markov chains, use one core of a device."""
    forced = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    return forced or jax.config.values["jax_num_cpu_devices"] >= 0


def _keep_compiled_programs() -> None:
    """Keep compiled programs in the cache directory, unless the user said where, or nothing can be written there."""
    if (
        "JAX_COMPILATION_CACHE_DIR" in os.environ
        or jax.config.values["jax_compilation_cache_dir"] is not None
    ):
        return
    directory = cache_directory("jax")
    if directory is None or not writable(directory):
        return
    jax.config.update("jax_compilation_cache_dir", str(directory))
    # also the small ones: a run has dozens, which together take seconds
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
