"""Several devices: four that XLA is made to see on this machine, against one."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from slt.config.composition import compose
from slt.config.schema import experiment
from slt.pipeline.plan import stages
from slt.runtime import jax_setup
from slt.runtime.devices import _counts, spread
from slt.runtime.progress import Silent
from slt.storage.resumable import Driver, _unpacked
from tests import sharded_stages


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """What four devices made, and the folder that they left an unfinished stage in."""
    folder = tmp_path_factory.mktemp("four")
    command = [sys.executable, "-m", "tests.sharded_stages", str(folder)]
    ran = subprocess.run(
        command, env={**os.environ, "JAX_NUM_CPU_DEVICES": "4"}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return _unpacked((folder / "records.npz").read_bytes()), folder


@pytest.fixture(scope="module")
def one():
    return sharded_stages.records()


def test_the_work_is_divided_and_stays_divided(four):
    partition = four[0]["partition"]
    assert partition["held"]["training"] == [[3], [3]]  # six seeds
    assert partition["held"]["ladder"] == [[4], [4]]  # sixteen repeats
    assert partition["held"]["chains"] == [[1, 4]]  # four points; what they share is whole at first
    assert partition["held"]["chains of one point"] == [[1, 4]]  # what they share of squares is whole
    assert partition["held"]["tempered"] == [[4]]  # four points
    assert partition["held"]["nuts"] == [[4]]  # four chains
    assert partition["held"]["smc"] == [[4]]  # four repeats
    assert partition["share"] == pytest.approx(1 / 3, rel=0.05)
    assert not partition["waits"]


def test_four_devices_agree_with_one_and_need_no_other_configuration(four, one):
    ours, theirs = four[0], one
    described, _ = experiment(compose(sharded_stages.RUN))
    assert ours["run"]["names"] == {stage.name: stage.recipe.name for stage in stages(described)}
    np.testing.assert_allclose(ours["run"]["llc"], [0.5, 0.5], rtol=1e-6)
    early = theirs["trajectory"].steps <= 100
    assert early.sum() > 10
    for name in ("loss", "params"):
        got, wanted = (getattr(both["trajectory"], name) for both in (ours, theirs))
        got, wanted = (value["w"] if name == "params" else value for value in (got, wanted))
        np.testing.assert_allclose(got[:, early], wanted[:, early], atol=1e-5)
    np.testing.assert_allclose(ours["llc"].llc, theirs["llc"].llc, rtol=1e-3)
    np.testing.assert_allclose(ours["tempered"].llc, theirs["tempered"].llc, rtol=1e-5)
    np.testing.assert_allclose(ours["nuts"].draws["w"], theirs["nuts"].draws["w"], atol=1e-3)
    np.testing.assert_allclose(ours["smc"].log_evidence, theirs["smc"].log_evidence, atol=0.05)

    def left(ladder):
        """Share of the draws in the left well, and its error, at each sample size."""
        share = np.mean(ladder.draws["w"] < 0, axis=-1)[0]
        return share.mean(axis=1), share.std(axis=1, ddof=1) / np.sqrt(share.shape[1])

    (share, error), (wanted, other) = left(ours["ladder"]), left(theirs["ladder"])
    assert np.all(np.abs(share - wanted) < 4 * np.hypot(error, other))
    assert np.all((wanted > 0.02) & (wanted < 0.98))


def test_a_stage_started_on_four_devices_is_resumed_on_one(four, one):
    progress, heard = Silent(), []
    progress.update = heard.append
    found = Driver(progress, four[1] / "unfinished", every=0.0)(sharded_stages.training(), sharded_stages.KEY)
    assert heard[0] > 0
    np.testing.assert_allclose(found.params["w"], one["trajectory"].params["w"], atol=1e-5)


def test_one_device_is_left_alone():
    state = sharded_stages.training().init(sharded_stages.KEY)
    assert spread(state) is state


@pytest.mark.parametrize(
    ("shapes", "devices", "counts"),
    [
        ([(8, 3), (8,)], 4, [4]),
        ([(6, 3), (6,)], 4, [3]),
        ([(7,), (7, 4)], 4, [1]),
        ([(2, 4, 5), (2, 4)], 8, [2, 4]),
        ([(3, 4, 5), (3, 4)], 4, [3, 1]),
        ([(1, 4), (1, 4, 9)], 4, [1, 4]),
        ([(8, 4), (2, 4)], 4, []),
        ([], 4, []),
    ],
)
def test_each_axis_takes_the_most_devices_that_divide_it(shapes, devices, counts):
    assert _counts(shapes, devices) == counts


WALKS = {"chains divided too": (2, 4, 1.0), "a grid tried": (9, 2, None)}  # points, chains, localization
CORES = f"""
import json
from tests import sharded_stages
print(json.dumps([sharded_stages.local(*given).llc.tolist() for given in {list(WALKS.values())}]))
"""


def test_walks_divide_over_cores_however_many_points_there_are():
    environment = {name: value for name, value in os.environ.items() if name != "JAX_NUM_CPU_DEVICES"}
    ran = subprocess.run(
        [sys.executable, "-c", CORES],
        env=environment | {"NPROC": "4"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    for given, found in zip(WALKS.values(), json.loads(ran.stdout), strict=True):
        np.testing.assert_allclose(found, sharded_stages.local(*given).llc, rtol=1e-6)


DEVICES = """
import jax, slt
{before}
from slt.posterior import tempering
from slt.runtime.devices import spread, spread_populations
slt.configure_jax()
{after}
slt.configure_jax()
batch = jax.numpy.zeros(6)
print(jax.device_count(), *(len(place(batch).devices()) for place in (spread, spread_populations)))
"""
SET_DEVICES = "jax.config.update('jax_num_cpu_devices', 2)"


@pytest.mark.parametrize(
    ("before", "after", "environment", "expected"),
    [
        ("", "", {"NPROC": "3"}, "3 3 1"),  # each core, but not for populations
        ("", "", {"JAX_NUM_CPU_DEVICES": "2"}, "2 2 2"),  # as the user said
        ("", "", {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}, "2 2 2"),
        (SET_DEVICES, "", {"NPROC": "3"}, "2 2 2"),
        ("", SET_DEVICES, {"NPROC": "3"}, "2 2 2"),
        ("jax.devices()", "", {"NPROC": "3"}, "1 1 1"),  # JAX was in use before
    ],
)
def test_each_core_is_a_device_unless_the_user_says_otherwise(before, after, environment, expected):
    chosen = ("NPROC", "JAX_NUM_CPU_DEVICES", "XLA_FLAGS")
    plain = {name: value for name, value in os.environ.items() if name not in chosen}
    command = [sys.executable, "-c", DEVICES.format(before=before, after=after)]
    ran = subprocess.run(command, env={**plain, **environment}, capture_output=True, text=True, check=False)
    assert ran.stdout.split() == expected.split(), ran.stderr


@pytest.mark.parametrize(
    ("files", "given", "said"),
    [
        ({"cpu.max": "150000 100000"}, None, 1),
        ({"cpu.max": "max 100000"}, None, 3),
        ({"cpu.max": "800000 100000"}, None, 3),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, None, 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None, 3),
        ({}, None, 3),
        ({"cpu.max": "100000 100000"}, "2", 2),
    ],
)
def test_cores_are_those_that_the_process_may_use(monkeypatch, tmp_path, files, given, said):
    monkeypatch.setattr(jax_setup, "GROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5}, raising=False)
    monkeypatch.delenv("NPROC", raising=False)
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    if given:
        monkeypatch.setenv("NPROC", given)
    assert jax_setup.cores() == said
