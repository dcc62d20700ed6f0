"""Data of one's own: tables in files and modules, and what is wrong with them in words."""

import jax
import numpy as np
import pytest

from slt.adapters.flax_model import FlaxModel
from slt.adapters.user_model import named, source
from slt.errors import ConfigError

N = 30


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("rows.npz", x=np.arange(N, dtype=np.float32), y=np.arange(N))
    return "rows.npz"


def test_a_data_set_is_the_first_rows_in_an_order_of_its_own(file):
    rows = source(file)
    whole = rows.sample(jax.random.key(0), N)
    assert whole["x"].dtype == np.float64
    assert np.issubdtype(whole["y"].dtype, np.integer)
    np.testing.assert_array_equal(whole["x"], whole["y"])  # rows stay together
    np.testing.assert_array_equal(np.sort(whole["y"]), np.arange(N))  # each once
    for n in (1, 7):
        np.testing.assert_array_equal(rows.sample(jax.random.key(0), n)["y"], whole["y"][:n])
    assert not np.array_equal(rows.sample(jax.random.key(1), N)["y"], whole["y"])


def test_every_row_is_as_likely_to_come_first(file):
    firsts = jax.vmap(lambda key: source(file).sample(key, 1)["y"][0])(
        jax.random.split(jax.random.key(0), 6000)
    )
    counts = np.bincount(firsts, minlength=N)
    assert ((counts - 200) ** 2 / 200).sum() < 58.3  # chi squared with 29 degrees of freedom, 0.1 %


def test_a_file_has_no_more_rows_than_it_has(file):
    with pytest.raises(ConfigError, match="holds 30 observations, and 31 are asked for"):
        source(file).sample(jax.random.key(0), N + 1)


def test_a_file_that_changed_is_read_again(file):
    before = source(file)
    assert source(file) is before
    np.savez(file, x=np.zeros(N + 1), y=np.arange(N + 1))
    assert len(source(file).sample(jax.random.key(0), N + 1)["x"]) == N + 1


TABLES = [
    ({"x": np.zeros(N), "y": np.zeros(N - 1)}, "share their first axis"),
    ({"x": np.zeros(N), "y": np.float64(1)}, "share their first axis"),
    ({"x": np.array(["a"] * N)}, "must hold real numbers, not <U1"),
    ({"x": np.full(N, np.nan)}, "finite real numbers"),
    ({"x": np.zeros(N, complex)}, "finite real numbers"),
    ({"x": np.array([{}] * N, object)}, "not an .npz file of arrays"),
    ({"x": np.zeros(2)}, "at least 5 observations"),
    ({}, "holds no arrays"),
]


@pytest.mark.parametrize(("arrays", "message"), TABLES, ids=[message for _, message in TABLES])
def test_what_is_no_table_is_refused_in_words(tmp_path, monkeypatch, arrays, message):
    monkeypatch.chdir(tmp_path)
    np.savez("wrong.npz", **arrays)
    with pytest.raises(ConfigError) as refused:
        source("wrong.npz")
    assert message in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 3


def test_a_file_that_is_not_there_or_not_npz_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"nothing\.npz cannot be read: No such file"):
        source("nothing.npz")
    (tmp_path / "text.npz").write_text("not one")
    with pytest.raises(ConfigError, match=r"not an \.npz file"):
        source("text.npz")


PATHS = [
    ("program", "not a dotted path"),
    ("no_such_module.program", "there is no module 'no_such_module'"),
    ("broken_module.program", "broken_module cannot be imported\nZeroDivisionError"),
    ("needing_module.program", "needing_module cannot be imported\nModuleNotFoundError"),
    ("fine_module.progam", "Did you mean 'program'"),
]


@pytest.mark.parametrize(("path", "message"), PATHS, ids=[path for path, _ in PATHS])
def test_a_dotted_path_that_leads_nowhere_is_told(tmp_path, monkeypatch, path, message):
    (tmp_path / "broken_module.py").write_text("1 / 0")
    (tmp_path / "needing_module.py").write_text("import not_installed_anywhere")
    (tmp_path / "fine_module.py").write_text("def program(): ...")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError) as refused:
        named(path, "program")
    assert message in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 3


def test_a_sample_stands_for_the_population_and_is_the_whole_file_at_most(file):
    options = {"module": "tests.adapters.networks.scalar_of_one", "data": file, "loss": "squared"}
    whole = FlaxModel(**options, population=N)
    w, rows = whole.init(jax.random.key(0)), whole.sample(jax.random.key(0), N)
    assert float(whole.population_loss(w)) == pytest.approx(float(whole.losses(w, rows).mean()), rel=1e-12)
    assert not FlaxModel(**options).has_population_loss
    for size, message in ((N + 1, "30 at most"), (-1, "0 or more")):
        with pytest.raises(ConfigError, match=message):
            FlaxModel(**options, population=size)
