import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.records.phases import PhasePath
from slt.transitions import dynamical
from slt.transitions.events import Event

NAMES = ("A", "B", "C", "other")


def path(*rows):
    """Rows of letters; "o" is other; steps are ten apart."""
    label = np.array([["ABCo".index(letter) for letter in row] for row in rows])
    return PhasePath(steps=10 * np.arange(label.shape[1]), label=label)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("AAABBB", [("A", 0), ("B", 30)]),
        ("AABABB", [("A", 0), ("B", 40)]),  # flicker is no visit
        ("AABAAA", [("A", 0)]),
        ("AABCBC", [("A", 0), ("C", 50)]),  # it settles at the end, if at all
        ("AAooBB", [("A", 0), ("B", 40)]),  # through other
        ("AAoAoA", [("A", 0)]),
        ("AAoooo", [("A", 0)]),  # fell into nothing: no transition
        ("AAAAAB", [("A", 0), ("B", 50)]),  # holds to the end
        ("ooAABB", [("other", 0), ("A", 20), ("B", 40)]),
        ("AooBBB", [("other", 0), ("B", 30)]),  # a first flicker is not a start
        ("oooooo", [("other", 0)]),
        ("AABBAA", [("A", 0), ("B", 20), ("A", 40)]),
    ],
)
def test_what_a_seed_held(row, expected):
    assert dynamical.sequences(path(row), NAMES) == [expected]


def test_hysteresis_sets_how_long_a_phase_must_hold():
    row = path("AAABBCCC")
    assert [name for name, _ in dynamical.sequences(row, NAMES, hysteresis=2)[0]] == ["A", "B", "C"]
    assert [name for name, _ in dynamical.sequences(row, NAMES, hysteresis=3)[0]] == ["A", "C"]
    with pytest.raises(ValueError, match="at least 1"):
        dynamical.sequences(row, NAMES, hysteresis=0)


def test_a_failed_seed_has_no_end_to_hold_to():
    both = path("AAAAAB", "AAAAAB")
    status = np.array(["ok", "diverged at step 55"])
    sequences = dynamical.sequences(both, NAMES, status=status)
    assert sequences == [[("A", 0), ("B", 50)], [("A", 0)]]
    (found,) = dynamical.find(both, np.ones((2, 6)), NAMES, status=status)
    assert (found.count, found.at_risk) == (1, 2)


def test_pooled_counts_steps_and_drops():
    rows = path("AABBBCCC", "AAAABBBB", "ooBBBBCC", "AAAAAAAA")
    levels = {"A": 3.0, "B": 2.0, "C": 0.5, "o": 4.0}
    loss = np.array([[levels["ABCo"[i]] for i in row] for row in rows.label])
    loss[0, 2] = 2.9  # just past the boundary: not yet on the plateau, and no part of the drop
    found = {(t.source, t.target): t for t in dynamical.find(rows, loss, NAMES)}
    assert set(found) == {("A", "B"), ("B", "C"), ("other", "B")}
    ab, bc = found["A", "B"], found["B", "C"]
    assert (ab.count, ab.at_risk) == (2, 3)
    assert (bc.count, bc.at_risk) == (2, 3)
    assert ab.step == 30
    assert (ab.step_low, ab.step_high) == pytest.approx((20.5, 39.5))
    assert ab.loss_drop == 1.0
    assert bc.loss_drop == 1.5
    assert found["other", "B"].loss_drop == 2.0


def test_a_seed_counts_once_for_a_pair_by_its_first_time():
    (ab, ba) = dynamical.find(path("AABBAABB"), np.zeros((1, 8)), NAMES)
    assert (ab.source, ab.count, ab.at_risk, ab.step) == ("A", 1, 1, 20)
    assert (ba.source, ba.count, ba.step) == ("B", 1, 40)


def test_an_unknown_loss_gives_an_unknown_drop():
    (found,) = dynamical.find(path("AABB"), np.full((1, 4), np.nan), NAMES)
    assert np.isnan(found.loss_drop)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=4), st.integers(0, 2**31))
def test_flicker_never_changes_the_order_of_plateaus(order, seed):
    """Plateaus of 6, and between them up to 5 labels of which no two neighbors agree."""
    rng = np.random.default_rng(seed)
    plateaus = [label for i, label in enumerate(order) if i == 0 or label != order[i - 1]]
    labels = []
    for i, label in enumerate(plateaus):
        labels += [label] * 6
        if i + 1 < len(plateaus):
            noise = []
            for _ in range(rng.integers(6)):
                choices = [x for x in range(4) if x != (noise[-1] if noise else label)]
                noise.append(int(rng.choice(choices)))
            labels += noise[:-1] if noise and noise[-1] == plateaus[i + 1] else noise
    seen = dynamical.sequences(PhasePath(np.arange(len(labels)), np.array([labels])), NAMES)[0]
    assert [name for name, _ in seen] == [NAMES[label] for label in plateaus]


def unlabeled(seeds, changes, llc):
    """Every seed's curves jump around checkpoint 4."""
    event = Event(3, 5, changes)
    return dynamical.Unlabeled([[event] for _ in range(seeds)], llc)


def falling(seeds, levels):
    """Loss and lambda-hat that change at checkpoint 4, give or take a little; a total fall of 1 before."""
    rng = np.random.default_rng(0)
    return np.where(np.arange(8) < 4, levels[0], levels[1]) + rng.normal(0, 1e-4, (seeds, 8))


@pytest.mark.parametrize(
    ("losses", "llcs", "kind"),
    [((1.0, 0.5), (2.0, 4.0), "A"), ((0.5, 0.499), (4.0, 3.0), "B"), ((1.0, 0.5), (2.0, 2.0), "")],
)
def test_types_a_and_b(losses, llcs, kind):
    rows = path(*["AAAABBBB"] * 6)
    loss, llc = falling(6, losses), falling(6, llcs)
    loss[:, 0] = 1.0 if kind != "B" else 2.0  # the total fall is much more than what happens at a B
    (found,) = dynamical.find(rows, loss, NAMES, unlabeled=unlabeled(6, {"loss": -0.7}, llc))
    assert found.kind == kind
    assert found.llc_change == pytest.approx(llcs[1] - llcs[0], abs=1e-3)
    assert (found.with_event, found.hidden) == (6, 0)
    assert found.width == pytest.approx(np.log1p(path("AAAABBBB").steps)[[3, 5]] @ [-1, 1] / np.log(71))


def test_a_transition_is_hidden_only_where_the_loss_is_known_to_stay():
    rows = path("AAAABBBB")
    flat = np.ones((1, 8))
    flat[0, 0] = 3.0
    alone = unlabeled(1, {"alive": 1.0}, np.full((1, 8), np.nan))
    (found,) = dynamical.find(rows, flat, NAMES, unlabeled=alone)
    assert found.hidden == 1
    (unknown,) = dynamical.find(rows, np.full((1, 8), np.nan), NAMES, unlabeled=alone)
    assert (unknown.with_event, unknown.hidden) == (1, 0)


def test_the_median_has_an_interval_over_seeds():
    rows = path(*["AABBBBBB"] * 10, *["AAAABBBB"] * 10, *["AAAAAABB"] * 10)
    (found,) = dynamical.find(rows, np.zeros((30, 8)), NAMES)
    assert found.median_low <= found.step <= found.median_high
    assert (found.median_low, found.median_high) != (found.step_low, found.step_high)
    (few,) = dynamical.find(path("AABB", "AABB"), np.zeros((2, 4)), NAMES)
    assert few.median_low is None
