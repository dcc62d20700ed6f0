"""Tests compile far more than they compute: XLA optimises less, which takes a quarter off the time of most."""

import os

if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):  # before JAX is imported
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=1".strip()
