"""Stages without a posterior: from made-up events, what rests where, which type, and what the formula says."""

import dataclasses
import json
import math

import numpy as np
import pytest

from slt.comparer.summary import plain
from slt.config.validation import build
from slt.records.base import OK
from slt.records.llc import LLCPath
from slt.transitions import plateaus, stages
from slt.transitions.essential_dynamics import essential
from slt.transitions.events import Event

STEPS = np.arange(30) * 10


def path(llc, error=0.5, status=OK):
    llc = np.asarray(llc, float)
    shape = llc.shape
    return LLCPath(
        seed=np.arange(shape[0]),
        steps=STEPS,
        llc=llc,
        error=np.full(shape, error),
        nbeta=np.ones(shape),
        status=np.full(shape, status, dtype="U64"),
    )


def steps_of(levels):
    """A curve that rests at each level over ten checkpoints."""
    return np.repeat(np.asarray(levels, float), 10)[None]


EVENTS = [[Event(9, 10, {"loss": -0.5}), Event(19, 20, {"llc": -4.0})]]


def found(loss=(3.0, 1.0, 1.0), llc=(2.0, 8.0, 4.0), events=EVENTS, status=(OK,), **options):
    return plateaus.find(STEPS, steps_of(loss), np.array(status), events, path(steps_of(llc), **options))


def test_type_a_and_b_and_the_n_from_which_the_later_stage_is_preferred():
    [seed] = found()
    first, second = seed.boundaries
    assert [s.loss for s in seed.stages] == [3.0, 1.0, 1.0]
    assert [s.llc for s in seed.stages] == [2.0, 8.0, 4.0]
    assert (first.kind, second.kind) == ("A", "B")
    assert (first.hidden, second.hidden) == (False, True)
    n = first.prediction.n
    assert 2.0 * n == pytest.approx(6.0 * math.log(n))  # n dL = dlambda log n
    assert second.preferred  # at every n: no higher loss, lower lambda
    assert second.prediction.n is None
    assert (first.start, first.end) == (90, 100)


def test_the_formula_agrees_where_later_stages_win_later():
    """dL = 2, dlambda = 6 win at n near 5; dL = 0.01, dlambda = 6 near 5,000."""
    [agrees] = found(loss=(3.0, 1.0, 0.99), llc=(2.0, 8.0, 14.0))
    [reversed_] = found(loss=(3.01, 3.0, 1.0), llc=(2.0, 8.0, 14.0))
    [never] = found(loss=(3.0, 1.0, 1.0), llc=(2.0, 8.0, 14.0))
    assert [seed.agrees for seed in (agrees, reversed_, never)] == [True, False, False]


def test_errors_of_lambda_decide_whether_it_changed():
    [seed] = found(error=20.0)
    assert [b.kind for b in seed.boundaries] == ["", ""]


def test_without_coefficients_nothing_is_said_of_the_formula():
    [seed] = found(status=(OK,), llc=(2.0, 8.0, 4.0))
    [bare] = plateaus.find(STEPS, steps_of((3.0, 1.0, 1.0)), np.array([OK]), EVENTS, None)
    assert bare.agrees is None
    assert len(bare.stages) == len(seed.stages)
    broken = path(steps_of((2.0, 8.0, 4.0)), status="escaped: 9% of draws have lower loss than the point")
    [escaped] = plateaus.find(STEPS, steps_of((3.0, 1.0, 1.0)), np.array([OK]), EVENTS, broken)
    assert math.isnan(escaped.stages[0].llc)
    assert "the formula predicts nothing" in stages.headline((bare, escaped))


def test_transitions_without_a_rest_between_them_are_one():
    [seed] = found(events=[[Event(9, 12, {"loss": -0.5}), Event(13, 14, {"loss": -0.25, "b": 1.0})]])
    [boundary] = seed.boundaries
    assert boundary.changes == {"loss": -0.75, "b": 1.0}
    assert (boundary.start, boundary.end) == (90, 140)


def test_failed_seeds_are_left_out_and_the_others_pooled():
    loss = np.repeat(steps_of((3.0, 1.0, 1.0)), 8, axis=0)
    status = np.array([OK] * 7 + ["diverged at step 3"])
    seeds = [[Event(9 + i, 10 + i, {"loss": -0.5})] for i in range(6)] + [[], []]
    every = plateaus.find(STEPS, loss, status, seeds, None)
    assert [seed.seed for seed in every] == list(range(7))
    [pooled] = stages.pool(every)
    assert pooled.seeds == 6
    assert pooled.curves == {"loss": 6}
    assert pooled.step_low <= pooled.step <= pooled.step_high
    assert "6 of 7 seeds go through 2 stages" in stages.headline(every)


def test_stages_survive_json():
    [seed] = found()
    again = build(json.loads(json.dumps(plain(dataclasses.asdict(seed)))), stages.SeedStages)
    assert again == seed


def test_no_jump_is_one_stage():
    [seed] = found(events=[[]])
    assert len(seed.stages) == 1
    assert stages.pool((seed,)) == ()
    assert "no curve of theirs has a changepoint" in stages.headline((seed,))


# -- essential dynamics -------------------------------------------------------------------------------------------
def test_the_plane_and_its_turning_points():
    """A path that runs out and half-way back along one direction, and steadily along a smaller one."""
    rng = np.random.default_rng(0)
    plane = np.linalg.qr(rng.normal(size=(50, 2)))[0].T
    out = np.concatenate([np.linspace(0, 10, 20), np.linspace(10, 5, 10)])
    seen = (out[:, None] * plane[0] + 0.1 * np.arange(30)[:, None] * plane[1])[None]
    moved = essential(STEPS, np.repeat(seen, 2, axis=0))
    assert moved.explained[:2].sum() == pytest.approx(1.0)
    [turn] = np.flatnonzero(moved.turning[0, :, 0])
    assert abs(turn - 19) <= 1
    assert not moved.turning[0, :, 2:].any()
    np.testing.assert_allclose(moved.score[0], moved.score[1], atol=1e-12)
    gaps = np.linalg.norm(np.diff(moved.score[0], axis=0), axis=1) * 50**0.5
    np.testing.assert_allclose(gaps, np.linalg.norm(np.diff(seen[0], axis=0), axis=1))


def test_a_seed_that_failed_does_not_spoil_the_plane():
    seen = np.random.default_rng(0).normal(size=(2, 30, 5))
    seen[1, 7] = np.nan
    moved = essential(STEPS, seen)
    assert np.isfinite(moved.score[0]).all()
    assert np.isnan(moved.score[1]).all()
    assert not moved.turning[1].any()
