"""Records on disk: whole or not there, and every kind of damage is named."""

import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from slt.storage.files import StoreError, digest
from slt.storage.store import Recipe, Store

RECIPE = Recipe("data", {"size": 6}, {}, "v1")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def _write(store, value=1.0, recipe=RECIPE, **options):
    dataset = xr.Dataset({"x": (["row"], np.full(1000, value)), "status": (["row"], np.full(1000, "ok"))})
    return store.write(recipe, {"arrays": dataset, "facts": {"name": "5+"}}, {"seconds": 1.0}, **options)


def test_a_record_comes_back_as_it_was_written(store):
    _write(store, 0.1)
    record = store.read(RECIPE.name)
    np.testing.assert_array_equal(record.array("arrays")["x"], np.full(1000, 0.1))
    assert set(record.array("arrays")["status"].values) == {"ok"}
    assert record.json("facts") == {"name": "5+"}
    assert record.meta["config"] == {"size": 6}
    assert record.has("facts")
    assert not record.has("nothing")


def test_the_first_record_stays_unless_it_is_to_be_replaced(store):
    _write(store, 1.0)
    _write(store, 2.0)
    assert float(store.read(RECIPE.name).array("arrays")["x"][0]) == 1.0
    _write(store, 3.0, replace=True)
    assert float(store.read(RECIPE.name).array("arrays")["x"][0]) == 3.0


def test_a_write_that_fails_leaves_nothing_behind(store):
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.write(RECIPE, {"facts": {"loss": float("nan")}}, {})
    assert not store.has(RECIPE.name)
    assert list(store.stages.iterdir()) == []


def test_a_half_written_directory_is_no_record(store):
    _write(store)
    (store.stages / RECIPE.name / "meta.json").unlink()
    with pytest.raises(StoreError, match=r"is not a record: it has no meta\.json"):
        store.read(RECIPE.name)


@pytest.mark.parametrize("damage", ["missing", "short", "altered"])
def test_damage_is_named(store, damage):
    record = _write(store)
    file = max(
        (f for f in record.path.rglob("*") if f.is_file() and f.name != "meta.json"), key=lambda f: f.name
    )
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "short":
        file.write_bytes(content[:-1])
    else:
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(StoreError, match="is damaged: .*" + file.name):
        store.read(RECIPE.name)


def test_records_of_another_format_or_another_program_are_refused(store):
    record = _write(store)
    meta = record.path / "meta.json"
    good = json.loads(meta.read_text())
    meta.write_text(json.dumps({**good, "format": 99}))
    with pytest.raises(StoreError, match="format 99, and this slt reads format 2"):
        store.read(RECIPE.name)
    meta.write_text(json.dumps({"hello": "world"}))
    with pytest.raises(StoreError, match="is not a record of slt"):
        store.read(RECIPE.name)
    meta.write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        store.read(RECIPE.name)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=100, deadline=None)
@given(PLAIN, PLAIN)
def test_digests_differ_exactly_when_values_do(a, b):
    def told(value):
        return json.dumps(value, sort_keys=True)

    assert (digest(a) == digest(b)) == (told(a) == told(b))


def test_whole_numbers_and_floats_have_different_digests_and_order_does_not_matter():
    assert digest({"a": 6}) != digest({"a": 6.0})
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def test_one_process_makes_a_record_and_the_others_wait(tmp_path):
    name = "training-ffffffffffffffff"
    hold = f"""
from pathlib import Path; from slt.storage.store import Store
with Store(Path({str(tmp_path)!r})).claim({name!r}):
    print("held", flush=True); input()
"""
    heard = []
    for end in (lambda process: process.stdin.close(), lambda process: process.kill()):
        with subprocess.Popen(
            [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout.readline() == "held\n"
            with Store(tmp_path).claim("training-fffffffffffffffe", lambda: heard.append("another record")):
                pass

            def waiting(other=other, end=end):
                heard.append("waits")
                end(other)

            with Store(tmp_path).claim(name, waiting):
                other.wait()
    assert heard == ["waits", "waits"]
