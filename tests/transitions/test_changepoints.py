"""Planted jumps are found where they are, and nothing is found where nothing jumps."""

import numpy as np
import pytest

from slt.records.training import Trajectory
from slt.transitions import changepoints, events

STEPS = np.unique(np.concatenate([[0], np.geomspace(1, 225_000, 200).astype(int)]))
CLOCK = np.log(np.maximum(STEPS, 0.5))
SMALLEST = 0.05


def planted(rng, width, noise, count=2):
    """A curve of sigmoids in log steps, 10 to 90 % within `width` nats, and where they are."""
    while True:
        centers = np.sort(rng.uniform(np.log(30), np.log(1e5), count))
        if np.diff(centers).min() > 1.5 * width + 0.6:
            break
    sizes = rng.uniform(0.2, 1, count)
    scaled = np.clip((CLOCK[:, None] - centers) / (width / 4.4), -60, 60)
    return -(sizes / (1 + np.exp(-scaled))).sum(axis=1) + rng.normal(0, noise, len(STEPS)), centers


def matched(found, centers):
    """How many of the jumps hold a planted center, each center counted once."""
    taken = set()
    for jump in found:
        low, high = CLOCK[max(jump.start - 1, 0)], CLOCK[min(jump.end + 1, len(CLOCK) - 1)]
        taken |= set([i for i, center in enumerate(centers) if low <= center <= high and i not in taken][:1])
    return len(taken)


@pytest.mark.parametrize(("width", "noise"), [(0.05, 0.002), (0.05, 0.01), (0.3, 0.01), (1.0, 0.005)])
def test_planted_jumps_are_recovered(width, noise):
    rng = np.random.default_rng(0)
    planted_, reported, right = 0, 0, 0
    for _ in range(100):
        x, centers = planted(rng, width, noise)
        found = changepoints.find(STEPS, x, SMALLEST)
        planted_, reported, right = (
            planted_ + len(centers),
            reported + len(found),
            right + matched(found, centers),
        )
    assert right / reported >= 0.95
    assert right / planted_ >= 0.95


def nothing(kind, rng):
    noise = rng.normal(0, 10 ** rng.uniform(-4, -1.5), len(STEPS))
    if kind == "exponential decay":
        return np.log(0.05 + np.exp(-STEPS / 10 ** rng.uniform(1, 4.5))) + noise
    if kind == "power law":
        return np.log(0.02 + (1 + STEPS / 10 ** rng.uniform(0, 3)) ** -rng.uniform(0.3, 2)) + noise
    if kind == "random walk over checkpoints":
        return np.cumsum(rng.normal(0, 0.02, len(STEPS)))
    if kind == "random walk in steps":
        return np.cumsum(rng.normal(0, 1e-3, len(STEPS)) * np.sqrt(np.diff(STEPS, prepend=-1)))
    return noise


@pytest.mark.parametrize(
    "kind",
    ["exponential decay", "power law", "random walk over checkpoints", "random walk in steps", "noise"],
)
def test_nothing_is_found_where_nothing_jumps(kind):
    rng = np.random.default_rng(1)
    false = sum(bool(changepoints.find(STEPS, nothing(kind, rng), SMALLEST)) for _ in range(100))
    assert false <= 5


def test_a_step_between_two_checkpoints_is_found_exactly():
    x = np.where(np.arange(len(STEPS)) < 120, 1.0, 0.5) + np.random.default_rng(0).normal(0, 1e-3, len(STEPS))
    (jump,) = changepoints.find(STEPS, x, SMALLEST)
    assert (jump.start, jump.end) == (119, 120)
    assert jump.change == pytest.approx(-0.5, abs=0.01)


def test_points_that_are_not_finite_are_left_out():
    x = np.where(np.arange(len(STEPS)) < 120, 1.0, 0.5)
    x[[30, 150]] = np.nan, np.inf
    (jump,) = changepoints.find(STEPS, x, SMALLEST)
    assert (jump.start, jump.end) == (119, 120)
    assert changepoints.find(STEPS[:8], x[:8], SMALLEST) == []


def test_the_smallest_change_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        changepoints.find(STEPS, np.zeros(len(STEPS)), 0.0)


def test_a_transition_that_only_an_observable_shows_is_hidden():
    rng = np.random.default_rng(2)
    index = np.arange(len(STEPS))
    loss = np.exp(np.where(index < 80, 0.0, -0.7) + rng.normal(0, 1e-3, (1, len(STEPS))))
    alive = np.where(index < 82, 3.0, 4.0) + np.where(index < 140, 0.0, 1.0)
    trajectory = Trajectory(
        STEPS,
        {},
        loss,
        loss,
        {"alive": alive[None], "constant": np.ones((1, len(STEPS)))},
        np.zeros(1),
        np.array(["ok"]),
    )
    curves = events.curves(trajectory, loss, None)
    assert [curve.name for curve in curves] == ["loss", "alive"]
    (found,) = events.events(events.find(curves, STEPS), 1)
    assert [event.hidden for event in found] == [False, True]
    last = found[-1]
    assert (last.start, last.end) == (139, 140)
    assert last.changes == {"alive": 1.0}
    assert events.around(found, 141) == last
    assert events.around(found, 120) is None


def ensemble(loss, observables, status):
    seeds = len(status)
    return Trajectory(STEPS, {}, loss, loss, observables, np.zeros(seeds), np.array(status))


def test_one_seed_that_runs_away_does_not_hide_the_others():
    index = np.arange(len(STEPS))
    rng = np.random.default_rng(3)
    loss = np.ones((6, len(STEPS)))
    moved = np.where(index < 100, 0.0, 1.0) + rng.normal(0, 1e-3, (6, len(STEPS)))
    moved[5, 195:] = 1e8
    for status in (["ok"] * 6, ["ok"] * 5 + ["diverged at step 100000"]):
        trajectory = ensemble(loss, {"w": moved}, status)
        found = events.find(events.curves(trajectory, loss, None), STEPS)
        assert set(range(5)) <= set(found.seed.tolist())


def test_a_loss_of_zero_is_left_out_of_the_logarithm():
    index = np.arange(len(STEPS))
    loss = np.tile(10.0 ** -(2 * (index >= 70) + 2.0 * (index >= 140)), (8, 1))
    loss *= np.exp(np.random.default_rng(0).normal(0, 1e-3, loss.shape))
    loss[3, -1] = 0.0
    found = events.find(events.curves(ensemble(loss, {}, ["ok"] * 8), loss, None), STEPS)
    assert len(found.seed) == 16
