"""What thousands of tests in one process need of JAX.

They compile far more than they compute. So XLA optimizes less: one model's conformance suite took 19 s of CPU instead
of 26, and what computes long took as long. It also emits loops in its older way, which saves 6 to 28 % of the CPU of
five suites. And every program, however small, is compiled once for all workers of a session: reading it from a file
takes 10 ms of CPU, compiling it 40 ms.

Each compiled program takes some of the 65,530 regions of memory that Linux lets a process map; when they are used up
the compiler crashes, so programs are forgotten in time.
"""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

if "jax" in sys.modules:
    raise RuntimeError("JAX was imported before tests/conftest.py could set it up")
if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):
    quick = "--xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {quick}".strip()
os.environ.setdefault(
    "JAX_NUM_CPU_DEVICES", "1"
)  # the same on every machine; workers have a core each anyway
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # workers find it set by the process that starts them
    programs = tempfile.mkdtemp(prefix="slt-tests-")
    atexit.register(shutil.rmtree, programs, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = programs
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import slt

slt.configure_jax()  # before tests are collected: some of their modules make arrays

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
