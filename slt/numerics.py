"""The one place that sets JAX up: 64-bit floats on purpose, compiled programs kept between processes; and what goes
back to 32 bits.

Posteriors, evidence and learning coefficients need float64: n L_n reaches 1e6 nats, and differences of one
nat decide which phase wins. SGD asks for float32 explicitly where it wants it.
"""

import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)

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
