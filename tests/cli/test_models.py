"""`slt models`: what it lists, that it is quick once it has been told, and that it notices what changed."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import slt

MODEL = '''
import jax, jax.numpy as jnp, numpy as np
from slt.models.base import Model, Phase, as_model

@as_model
class Ball(Model):
    """A ball of no interest. More words."""
    def init(self, key):
        return {"w": jax.random.normal(key, (DIMENSION,))}
    def sample(self, key, n):
        return jax.random.normal(key, (n,))
    def losses(self, w, data):
        return (data - w["w"].sum()) ** 2 / 2
    def log_prior(self, w):
        return jax.scipy.stats.norm.logpdf(w["w"]).sum()
    def sample_prior(self, key):
        return self.init(key)
    def phases(self):
        return (Phase("middle", {"w": np.zeros(DIMENSION)}, 0.5, 0.5, 2, source="Nobody 1999; by guessing"),)
'''
CODE = "import sys; from slt.cli import main; status = main(); print('jax' in sys.modules); raise SystemExit(status)"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Two models of one's own, the second with data in a file."""
    folder = tmp_path_factory.mktemp("zoo")
    (folder / "zoo_ball.py").write_text(MODEL.replace("DIMENSION", "1234"))
    (folder / "zoo_net.py").write_text("from flax import linen\n\ndef make():\n    return linen.Dense(1)\n")
    _write_rows(folder, inputs=2)
    (folder / "own/model").mkdir(parents=True)
    (folder / "own/model/zz_ball.yaml").write_text("_target_: zoo_ball.Ball\n")
    (folder / "own/model/zz_net.yaml").write_text(
        "_target_: slt.adapters.flax_model.FlaxModel\nmodule: zoo_net.make\ndata: rows.npz\n"
    )
    return folder


def _write_rows(folder, inputs):
    np.savez(folder / "rows.npz", x=np.ones((9, inputs)), y=np.ones(9))


def _models(home, *words):
    checkout = str(Path(slt.__file__).parents[1])  # the slt that is being tested
    env = {**os.environ, "PYTHONPATH": checkout, "COLUMNS": "100", "XDG_CACHE_HOME": str(home / "cache")}
    argv = [sys.executable, "-c", CODE, "models", "--config-dir", "own", *words]
    ran = subprocess.run(argv, cwd=home, env=env, capture_output=True, text=True, check=True)
    *told, imported = ran.stdout.splitlines()
    return "\n".join(told), ran.stderr, imported == "True"


def _seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_it_lists_dimension_phases_truths_and_sources_and_is_quick_when_asked_again(home):
    broken = home / "own/model/zz_broken.yaml"
    broken.write_text("# Not there.\n_target_: zoo_ball.Bal\n")
    told, said, _ = _models(home)
    broken.unlink()  # what cannot be made is tried each time
    assert "solving phases of" in said
    assert all(len(line) <= 100 for line in told.splitlines())
    rows = {line.split()[0]: line for line in told.splitlines() if line and line[0] != " "}
    assert rows["deep_linear"].split()[1] == "27"
    assert "rank 2: 4.5 (3)" in told
    assert "[Aoyagi 2024, main theorem]" in told
    assert "5+, 6: 8.5" in told
    assert rows["zz_ball"].split()[1] == "1,234"
    assert "middle: 0.5 (2)" in rows["zz_ball"]
    assert "[Nobody 1999]" in told  # without the details
    assert "none: found in runs" in rows["zz_net"]
    assert rows["zz_net"].split()[1] == "3"
    assert "zoo_ball has no 'Bal'" in " ".join(told.split())

    before = _seconds()
    again, said, imported = _models(home)
    assert _seconds() - before < 2
    assert said == ""
    assert not imported
    assert again.splitlines()[:20] == told.splitlines()[:20]


def test_a_model_whose_code_or_data_changed_is_solved_again(home):
    def dimension():
        rows, said, _ = _models(home, "--json")
        return {row["name"]: row["dimension"] for row in json.loads(rows)}["zz_net"], said

    assert dimension()[0] == 3
    (home / "zoo_net.py").write_text(
        "from flax import linen\n\ndef make():\n    return linen.Dense(1, use_bias=False)\n"
    )
    assert dimension() == (2, "slt: solving phases of 1 model ...\n")
    _write_rows(home, inputs=7)
    assert dimension() == (7, "slt: solving phases of 1 model ...\n")
