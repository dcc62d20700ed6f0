"""A record is its recipe: what a model uses from outside is part of it, to the last line of code and row of data."""

import importlib
import sys

import numpy as np
import pytest

from slt.config.composition import compose
from slt.config.schema import experiment
from slt.pipeline.plan import stages
from tests.adapters import documents


@pytest.fixture
def rings(tmp_path, monkeypatch):
    """The example of docs/bring_your_own_flax.md under names of its own, and what its stages are called."""
    documents.write("bring_your_own_flax.md", tmp_path)
    (tmp_path / "rings.py").rename(tmp_path / "stale_rings.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    _write_rows(0)

    def names():
        sys.modules.pop("stale_rings", None)  # as a new process would
        importlib.invalidate_caches()
        importlib.import_module("stale_rings")
        own = ["model.module=stale_rings.Network", "model.watch=stale_rings.watch", "posterior=null"]
        described, _ = experiment(compose(["experiment=rings", *own], "configs"))
        return {stage.name: stage.recipe.name for stage in stages(described)}

    return names


def _write_rows(seed):
    x = np.random.default_rng(seed).normal(size=(2000, 2))
    np.savez("rings.npz", x=x, y=(x[:, 0] > 0).astype(int))


def test_records_go_stale_with_what_a_model_uses_from_outside(rings, tmp_path):
    first = rings()
    assert rings() == first
    code = (tmp_path / "stale_rings.py").read_text()
    (tmp_path / "stale_rings.py").write_text(f"# A remark.\n{code}")
    assert rings() == first
    (tmp_path / "stale_rings.py").write_text(code.replace("nn.tanh", "nn.relu"))
    edited = rings()
    assert all(edited[stage] != first[stage] for stage in first)
    _write_rows(1)
    again = rings()
    assert all(again[stage] != edited[stage] for stage in first)
