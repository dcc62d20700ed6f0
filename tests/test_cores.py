"""A run uses the cores that it may use, unless it is told otherwise."""

import os
import sys

import pytest

from slt import cores

FLAG = "--xla_force_host_platform_device_count"


@pytest.fixture
def fresh(monkeypatch):
    """A process that has not imported JAX, on a machine that lets it use three cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5}, raising=False)
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    monkeypatch.delenv("NPROC", raising=False)
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=1")
    return monkeypatch


def flags():
    cores.use_all()
    return os.environ["XLA_FLAGS"].split()


def test_each_core_is_a_device_and_other_flags_stay(fresh):
    assert flags() == ["--xla_backend_optimization_level=1", f"{FLAG}=3"]
    assert flags() == ["--xla_backend_optimization_level=1", f"{FLAG}=3"]  # asked again


def test_a_number_that_was_given_stays(fresh):
    fresh.setenv("XLA_FLAGS", f"{FLAG}=2")
    assert flags() == [f"{FLAG}=2"]


@pytest.mark.parametrize("why", ["one thread was asked for", "JAX is imported", "there is one core"])
def test_nothing_is_changed_where(why, fresh):
    if why == "one thread was asked for":
        fresh.setenv("NPROC", "1")
    elif why == "JAX is imported":
        fresh.setitem(sys.modules, "jax", os)
    else:
        fresh.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert flags() == ["--xla_backend_optimization_level=1"]
