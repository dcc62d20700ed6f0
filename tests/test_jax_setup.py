"""What importing slt leaves alone, what `slt.configure_jax` sets, and what no setting of JAX may change."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scripts.linear_gaussian import LinearGaussian
from slt.errors import ConfigError
from slt.llc.problem import LLCProblem
from slt.models import datasets
from slt.models.quadratic import Quadratic
from slt.posterior.data_tempering import DataTempering
from slt.posterior.targets import potential
from slt.runtime.cache import cache_directory, writable
from slt.runtime.jax_setup import owned, require_float64
from slt.runtime.random_keys import named_key, random_key
from slt.training.trainer import Trainer

ROOT = Path(__file__).parents[1]
TINY = [
    "model=quadratic",
    "training.seeds=2",
    "training.steps=20",
    "training.checkpoints=5",
    "data.datasets=1",
]
TINY += ["posterior=null"]


def process(code, folder=None, **environment):
    """`code` in a process of its own, in which nothing of JAX is set but what `environment` says; None: not set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    kept["JAX_COMPILATION_CACHE_DIR"] = os.environ["JAX_COMPILATION_CACHE_DIR"]
    kept |= {"PYTHONPATH": str(ROOT), **environment}
    kept = {name: value for name, value in kept.items() if value is not None}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False)


def said(code, **environment):
    """What `code` prints in a process of its own, which must end well, read as JSON."""
    ran = process(code, **environment)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


# -- imports ------------------------------------------------------------------------------------------------------
IMPORTS = """
import importlib, json, pkgutil
import jax
from jax._src import xla_bridge

before, changed, count = dict(jax.config.values), {}, 0

def look(name):
    global count
    importlib.import_module(name)
    now = dict(jax.config.values)
    if now != before or xla_bridge._backends:
        changed[name] = [key for key in now if now[key] != before.get(key)] + list(xla_bridge._backends)
    count += 1

look("slt")
import slt
for module in pkgutil.walk_packages(slt.__path__, "slt."):
    look(module.name)
print(json.dumps([count, changed]))
"""
LIGHT = """
import json, sys
import slt, slt.cli, slt.cli.compare, slt.cli.model_facts, slt.cli.models, slt.cli.run, slt.cli.runs, slt.cli.sweep
print(json.dumps("jax" in sys.modules))
"""


def test_importing_any_module_sets_no_option_of_jax_and_starts_no_device():
    count, changed = said(IMPORTS)
    assert count > 150
    assert changed == {}


def test_the_command_line_does_not_import_jax_before_it_needs_it():
    assert said(LIGHT) is False


# -- configure_jax ------------------------------------------------------------------------------------------------
SETTINGS = """
import json, slt, jax
{before}
slt.configure_jax(); slt.configure_jax()
names = ("enable_x64", "num_cpu_devices", "compilation_cache_dir", "persistent_cache_min_compile_time_secs")
print(json.dumps([jax.config.values[f"jax_{{name}}"] for name in names]))
"""


CACHE, SECONDS = "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


@pytest.mark.parametrize(
    ("before", "environment", "expected"),
    [
        ("", {"NPROC": "3"}, [True, 3, "HOME/slt/jax", 0]),
        ("", {"NPROC": "1", CACHE: "/there"}, [True, 1, "/there", 1]),
        ("jax.config.update('jax_compilation_cache_dir', '/here')", {"NPROC": "1"}, [True, 1, "/here", 1]),
        ("", {"NPROC": "1", SECONDS: "2"}, [True, 1, "HOME/slt/jax", 2]),
        ("", {"JAX_NUM_CPU_DEVICES": "2"}, [True, 2, "HOME/slt/jax", 0]),
        ("", {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}, [True, -1, "HOME/slt/jax", 0]),
        ("", {"NPROC": "1", "XDG_CACHE_HOME": "/dev/null/no"}, [True, 1, None, 1]),
        ("", {"NPROC": "1", "XDG_CACHE_HOME": None, "HOME": "/dev/null"}, [True, 1, None, 1]),
    ],
)
def test_configure_jax_respects_what_the_user_set(tmp_path, before, environment, expected):
    free = {CACHE: None, "XDG_CACHE_HOME": str(tmp_path)}
    found = said(SETTINGS.format(before=before), **free | environment)
    assert found == [str(tmp_path / "slt/jax") if value == "HOME/slt/jax" else value for value in expected]


def test_without_a_home_there_is_no_cache(monkeypatch):
    def no_entry(user):
        raise KeyError(user)

    for name in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", no_entry)
    assert cache_directory("jax") is None
    assert not writable(Path("/dev/null/slt"))


# -- float64 ------------------------------------------------------------------------------------------------------
def _train():
    return Trainer(seeds=2, steps=4, checkpoints=2, n=4, batch_size=2).stage(LinearGaussian(), _data())


def _data():
    return (np.zeros((1, 4, 2)), np.zeros((1, 4)))


@pytest.mark.parametrize(
    "entrance",
    [
        require_float64,
        lambda: LLCProblem(Quadratic(), {"w": np.zeros((1, 2))}),
        lambda: potential(LinearGaussian(), None, 1.0),
        lambda: datasets.draw(LinearGaussian(), 0, 1, 4),
        lambda: DataTempering().stage(LinearGaussian(), _data(), (2, 4)),
        _train,
    ],
)
def test_without_float64_every_entrance_raises_one_error(entrance):
    with jax.enable_x64(False), pytest.raises(ConfigError) as raised:
        entrance()
    assert "slt.configure_jax()" in str(raised.value)
    assert 'jax.config.update("jax_enable_x64", True)' in str(raised.value)


SWITCHED_OFF = """
import jax, jax.numpy as jnp, numpyro
from slt.models.quadratic import Quadratic
from slt.models.base import as_model

@as_model
class Own(Quadratic):
    def {method}(self, *arguments):
        {switch}
        return super().{method}(*arguments)
{top}
"""
NUMPYRO, CONFIG = "numpyro.enable_x64(False)", "jax.config.update('jax_enable_x64', False)"


@pytest.mark.parametrize(
    "parts",
    [
        {"top": NUMPYRO, "method": "losses", "switch": "pass"},  # when it is imported
        {"top": "", "method": "init", "switch": NUMPYRO},  # when it is called
        {"top": "", "method": "population_loss", "switch": CONFIG},
    ],
)
def test_a_users_module_that_switches_float64_off_ends_in_that_error(tmp_path, parts):
    (tmp_path / "own_module.py").write_text(SWITCHED_OFF.format(**parts))
    (tmp_path / "own/model").mkdir(parents=True)
    (tmp_path / "own/model/own.yaml").write_text("_target_: own_module.Own\n")
    words = ["run", "--config-dir", "own", "model=own", *TINY[1:]]
    code = f"from slt.cli import main; raise SystemExit(main({words}))"
    ran = process(code, tmp_path)
    assert ran.returncode == 2, ran.stderr
    assert "JAX computes in 32 bits now" in ran.stderr
    assert not list(tmp_path.glob("runs/stages/training*"))


# -- keys ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32 - 5, 2**40 + 3, -1])
def test_a_key_is_that_of_jax(seed):
    np.testing.assert_array_equal(
        jax.random.key_data(random_key(seed)), jax.random.key_data(jax.random.key(seed))
    )
    assert random_key(seed).dtype == jax.random.key(seed).dtype


def test_no_key_is_made_but_by_the_one_function():
    makers = ("jax.random.key(", "random.PRNGKey(", "jrandom.key(")
    files = [file for file in (ROOT / "slt").rglob("*.py") if file.name != "random_keys.py"]
    assert [file.name for file in files if any(maker in file.read_text() for maker in makers)] == []


NUMBERS = f"""
import hashlib, json, numpy as np, slt
run = slt.run({TINY}, store="STORE", progress=False)
trajectory = run.records["training"] if "training" in run.records else None
arrays = [np.asarray(run.record("training").array("trajectory")[name]) for name in ("loss", "population_loss")]
from slt.models import datasets
from slt.models.quadratic import Quadratic
arrays += [np.asarray(leaf) for leaf in __import__("jax").tree.leaves(datasets.draw(Quadratic(), 3, 2, 5))]
print(json.dumps([hashlib.sha256(array.tobytes()).hexdigest() for array in arrays]))
"""


def test_no_setting_of_jax_changes_data_or_training(tmp_path):
    made = []
    for i, environment in enumerate(({}, {"JAX_DEFAULT_PRNG_IMPL": "rbg", "JAX_RANDOM_SEED_OFFSET": "7"})):
        made.append(said(NUMBERS.replace("STORE", str(tmp_path / str(i))), **environment))
    assert made[0] == made[1]


def test_keys_that_would_give_other_numbers_are_refused():
    jax.config.update("jax_threefry_partitionable", False)
    try:
        with pytest.raises(ConfigError, match="jax_threefry_partitionable"):
            named_key(0, "data")
    finally:
        jax.config.update("jax_threefry_partitionable", True)


# -- arrays -------------------------------------------------------------------------------------------------------
JAX_FIRST = """
import json
import jax, jax.numpy as jnp, numpy as np

classes, inputs = np.arange(20) % 3, np.arange(20) / 3

@jax.jit
def losses(w, d):
    return -jax.nn.log_softmax(w)[d["class"]] + 0 * d["x"]

data = {"class": classes, "x": inputs}
first = jax.jit(lambda w: losses(w, data).sum())  # JAX keeps both arrays in 32 bits, by identity
first(np.zeros(3, np.float32))

from slt.llc.problem import LLCProblem
from slt.llc.curvature import Hessian
from slt.models.base import Model, as_model
from slt.posterior.targets import potential
from slt.posterior.data_tempering import DataTempering
SWITCH

@as_model
class Classes(Model):
    def init(self, key):
        return {"w": jax.random.normal(key, (3,))}
    sample_prior = init
    def sample(self, key, n):
        raise NotImplementedError
    def losses(self, w, data):
        return losses(w["w"], data)
    def log_prior(self, w):
        return -jnp.sum(w["w"] ** 2) / 2

problem = LLCProblem(Classes(), {"w": np.zeros((2, 3))}, data)
estimate = Hessian()(problem, jax.random.key(0))
sets = jax.tree.map(lambda leaf: leaf[None], data)
rows = jax.tree.map(lambda leaf: leaf[0], DataTempering().stage(Classes(), sets, (5, 20)).data)
energy = potential(Classes(), rows, np.ones(20)).energy({"w": np.zeros(3)})
if "configure" in "SWITCH":  # which clears what JAX keeps, so that the user's own function works too
    first(np.zeros(3))
print(json.dumps([*problem.losses().tolist(), float(energy) / 20, estimate.llc.tolist()]))
"""


@pytest.mark.parametrize(
    "switch", ["import slt; slt.configure_jax()", "jax.config.update('jax_enable_x64', True)"]
)
def test_arrays_that_jax_met_in_32_bits_can_be_used(switch):
    *losses, coefficients = said(JAX_FIRST.replace("SWITCH", switch))
    np.testing.assert_allclose(losses, np.log(3), rtol=1e-14)
    assert np.isfinite(coefficients).all()


def test_a_problem_owns_its_arrays():
    model = LinearGaussian(dimension=2)
    data = (np.ones((4, 2), np.float32), np.ones(4))
    points, weights = {"w": np.zeros((1, 2))}, np.ones(4)
    problem = LLCProblem(model, points, data, weights)
    before = float(problem.losses()[0])
    for array in (*data, points["w"], weights):
        array[:] = 7
    fresh = LLCProblem(model, problem.points, problem.data, problem.weights)
    assert float(fresh.losses()[0]) == before
    assert all(leaf.dtype == np.float64 for leaf in problem.data)


def test_owned_arrays_are_copied_once_and_cast():
    given = {
        "count": np.arange(3),
        "x": np.ones(3, np.float32),
        "jax": jnp.ones(3, jnp.float32),
        "key": random_key(0),
    }
    once = owned(given)
    again = owned(once)
    assert once["count"].dtype == given["count"].dtype
    assert once["x"].dtype == once["jax"].dtype == np.float64
    assert once["key"] is given["key"]
    assert not np.shares_memory(once["count"], given["count"])
    assert np.shares_memory(once["count"], again["count"])
    assert again["count"] is not once["count"]
    assert not once["x"].flags.writeable
