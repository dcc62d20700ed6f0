"""What thousands of tests in one process need of JAX.

They compile far more than they compute, so XLA optimises less: one model's conformance suite took 19 s of CPU
instead of 26, and what computes long took as long. And each compiled program takes some of the 65,530 regions of
memory that Linux lets a process map; when they are used up the compiler crashes, so programs are forgotten in time.
"""

import os
import sys
from pathlib import Path

import pytest

if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):  # before JAX is imported
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=1".strip()

MAPS = Path("/proc/self/maps")
MOST, EVERY = 20_000, 10  # regions; tests between two counts, since counting takes a while
_tests = 0


@pytest.fixture(autouse=True)
def programs_are_forgotten_in_time():
    global _tests
    yield
    _tests += 1
    if _tests % EVERY == 0 and "jax" in sys.modules and MAPS.exists() and _regions() > MOST:
        sys.modules["jax"].clear_caches()


def _regions() -> int:
    with MAPS.open("rb") as lines:
        return sum(1 for _ in lines)
