"""The one place that sets JAX up: 64-bit floats on purpose, compiled programs kept between processes.

Posteriors, evidence and learning coefficients need float64: n L_n reaches 1e6 nats, and differences of one
nat decide which phase wins. SGD asks for float32 explicitly where it wants it.
"""

import os
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    jax.config.update("jax_compilation_cache_dir", str(_cache_home / "slt" / "jax"))
    # also the small ones: a run has dozens, which together take seconds
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
