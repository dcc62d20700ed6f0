"""Whatever stops a stage, and whenever: driven again it ends in the same record, bit for bit."""

import dataclasses
import random
import signal
import sys

import jax
import numpy as np
import pytest

from scripts.killed import differing, run_to_the_end, start_and_kill
from scripts.linear_gaussian import LinearGaussian
from slt.llc.curvature import Hessian
from slt.llc.trajectory import AlongTraining, Part
from slt.posterior.data_tempering import DataTempering
from slt.posterior.nuts import NUTS
from slt.runtime.long_computation import drive
from slt.runtime.progress import Silent
from slt.storage.resumable import Driver, _packed, _skeleton, _unpacked
from slt.training.optimizers import Adam
from slt.training.trainer import Trainer

KEY = jax.random.key(5)
MODEL = LinearGaussian(dimension=3)


class Killed(BaseException):
    pass


class Dying(Silent):
    """Kills at the given call of `update`."""

    def __init__(self, after):
        self.left = after

    def update(self, done):
        self.left -= 1
        if self.left < 0:
            raise Killed


def data(sets=1, rows=40):
    return jax.vmap(lambda key: MODEL.sample(key, rows))(jax.random.split(jax.random.key(1), sets))


def training(sets=1):
    trainer = Trainer(seeds=3, steps=200, batch_size=7, n=40, checkpoints=40, optimizer=Adam())
    return dataclasses.replace(trainer.stage(MODEL, data(sets)), chunk=2)


STAGES = {
    "training": training,
    "ladder": lambda: DataTempering(particles=32, repeats=2, mcmc_steps=1).stage(MODEL, data(), (3, 10, 40)),
    "sample sizes": lambda: NUTS(chains=2, warmup=20, samples=10).stage(MODEL, data(), (3, 10, 20, 40)),
    "llc": lambda: AlongTraining(Hessian(), (Part(MODEL),), drive(training(3), KEY), data(3), 3, 4),
}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_killed_again_and_again_ends_in_the_same_record(name, tmp_path):
    stage = STAGES[name]()
    whole = drive(stage, KEY)
    lives = 0
    while True:
        lives += 1
        try:
            found = Driver(Dying(2), tmp_path / "kept", every=0.0)(stage, KEY)
            break
        except Killed:
            assert lives < 100
    assert lives > 1
    assert_identical(found, whole)


def assert_identical(one, two):
    ours, theirs = {}, {}
    assert _skeleton(one, ours) == _skeleton(two, theirs)
    for name, array in ours.items():
        assert array.dtype == theirs[name].dtype
        np.testing.assert_array_equal(array, theirs[name])


def test_what_was_kept_is_not_made_again(tmp_path):
    stage = training()
    with pytest.raises(Killed):
        Driver(Dying(8), tmp_path, every=0.0)(stage, KEY)
    heard = []
    progress = Silent()
    progress.update = heard.append
    again = Driver(progress, tmp_path, every=0.0)
    again(stage, KEY)
    assert heard[0] > 0
    assert again.before > 0
    again.clear()
    assert not tmp_path.exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "another state", "a class that is not ours"])
def test_what_is_half_written_is_not_used(tmp_path, damage):
    stage = training()
    with pytest.raises(Killed):
        Driver(Dying(8), tmp_path, every=0.0)(stage, KEY)
    file = tmp_path / ("state.npz" if damage == "another state" else "chunks-000003.npz")
    if damage == "gone":
        file.unlink()
    elif damage == "another state":
        kept = _unpacked(file.read_bytes())
        kept["leaves"] = [np.zeros(3) for _ in kept["leaves"]]
        file.write_bytes(_packed(kept))
    elif damage == "a class that is not ours":
        content = _packed([LinearGaussianLookalike(1)])
        file.write_bytes(content)
    else:
        file.write_bytes(file.read_bytes()[: 100 if damage == "cut" else 0])
    assert_identical(Driver(Silent(), tmp_path, every=0.0)(stage, KEY), drive(stage, KEY))


@dataclasses.dataclass
class LinearGaussianLookalike:
    """A class outside slt: reading must not build it."""

    value: int

    def __post_init__(self):
        assert "unpack" not in sys._getframe(1).f_code.co_name


def test_pieces_come_back_as_they_went():
    piece = [None, {"a": np.array(["x", "yz"]), "b": (1, 2.5, True, "s")}, np.array([np.nan, np.inf])]
    back = _unpacked(_packed(piece))
    assert back[0] is None
    assert back[1]["b"] == (1, 2.5, True, "s")
    np.testing.assert_array_equal(back[1]["a"], piece[1]["a"])
    np.testing.assert_array_equal(back[2], piece[2])


RUN = (
    "model=quadratic", "training.seeds=8", "training.steps=200000", "training.n=200", "training.checkpoints=60",
    "data.datasets=2", "posterior.sample_sizes=[5,20,80,200]", "posterior.sampler.particles=128",
    "posterior.sampler.repeats=2", "posterior.population=false",
)  # fmt: skip


def test_a_process_killed_five_times_leaves_the_same_records(tmp_path):
    """SIGKILL at random moments of a stage; scripts/killed.py does it thirty times."""
    dice = random.Random(0)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    ends = [start_and_kill(RUN, killed, 0.1, dice.uniform(0, 0.4))[0] for _ in range(5)]
    assert ends.count(-signal.SIGKILL) >= 3
    assert differing(run_to_the_end(RUN, killed), run_to_the_end(RUN, whole)) == []
    assert not list((killed / "unfinished").iterdir())
