"""Where seeds end against where mass is, the antecedent hypothesis, rates of leaving, and order with its interval."""

import dataclasses

import numpy as np
import pytest

from slt.comparer.antecedent import antecedent
from slt.comparer.endpoints import endings
from slt.comparer.granularity import Level, phases_and_steps
from slt.comparer.narrative import _endpoints, _order
from slt.comparer.pair_data import _agrees
from slt.comparer.verdicts import compare
from slt.records.comparison import Verdict
from slt.records.phases import PhaseFacts, PhasePath
from slt.records.transitions import BayesianTransition, Prediction
from slt.transitions import bayesian, dynamical
from tests.comparer.test_verdicts import NAMES, by_formula, facts, ladder, path


def compared(route):
    seeds = path((40, route))
    sample_sizes = np.array([20, 40, 60, 80, 100, 150, 200, 400])
    occupancy = ladder(sample_sizes, by_formula(sample_sizes), repeats=4)
    loss = np.full(seeds.label.shape, 0.1)
    return compare(
        facts(),
        dynamical.find(seeds, loss, NAMES),
        bayesian.find(occupancy, NAMES, facts()),
        seeds,
        occupancy,
        NAMES,
        loss=loss,
        n=150,
    )


def test_endings_are_sorted_by_disagreement_and_carry_intervals():
    found = compared("a b b").endpoints
    assert found[0].phase in ("b", "c")
    b = next(one for one in found if one.phase == "b")
    assert (b.ended, b.seeds, b.share) == (40, 40, 1.0)
    assert b.share_low == pytest.approx(0.912, abs=1e-3)  # 0.025 ** (1 / 40)
    assert b.n == 150
    gaps = [abs(one.share - one.mass) for one in found]
    assert gaps == sorted(gaps, reverse=True)


def test_failed_seeds_do_not_end_anywhere():
    seeds = path((3, "a b"))
    occupancy = ladder([20, 400], by_formula(np.array([20, 400])))
    status = np.array(["ok", "diverged at step 3", "ok"])
    found = endings(seeds, occupancy, NAMES, None, status)
    assert {one.seeds for one in found} == {2}
    assert endings(seeds, occupancy, NAMES, None, np.full(3, "diverged at step 3")) == ()


def test_a_rate_is_bounded_where_no_seed_left():
    verdict = next(v for v in compared("a b b").verdicts if (v.source, v.target) == ("b", "c"))
    steps = verdict.evidence["steps_in_source"]
    assert steps == 40 * 500  # b is reached at step 300 of 800, and labeled so to the end
    assert verdict.evidence["rate"] == 0
    assert verdict.evidence["rate_high"] == pytest.approx(2.9957 / steps, rel=1e-3)  # -log 0.05
    assert "fewer than one goes in" in verdict.why


def test_the_antecedent_hypothesis_is_tested_in_parts():
    a, b, _ = facts()
    assert antecedent("has", (a,), (b,)) == {
        "changes_sign": True,
        "loss_falls": True,
        "llc_rises": True,
        "holds": True,
    }
    assert antecedent("lacks", (b,), (a,))["holds"] is False
    assert antecedent("has", (b,), (a,))["llc_rises"] is False
    assert antecedent("unknown", (a,), (b,))["holds"] is None
    unknown = PhaseFacts("d", "d", 0.05, None, None, -1.0, "test")
    assert antecedent("has", (a,), (unknown,))["llc_rises"] is None
    shown = next(v for v in compared("a b b").verdicts if (v.source, v.target) == ("a", "b"))
    assert shown.evidence["antecedent"]["holds"] is True
    assert "It has a Bayesian antecedent" in shown.why


def test_order_has_an_interval():
    def shared(step, n, width):
        evidence = {
            "step": step,
            "median_low": step - width,
            "median_high": step + width,
            "n": n,
            "n_low": n - width,
            "n_high": n + width,
        }
        return Verdict("x", "y", "both", "", evidence)

    sharp = _order([shared(100, 10, 1), shared(200, 50, 1), shared(300, 90, 1)])
    assert "tau = 1.00 (95 % interval 1.00 to 1.00" in sharp
    vague = _order([shared(100, 10, 300), shared(200, 50, 300), shared(300, 90, 300)])
    assert "interval 1.00 to" not in vague
    assert _order([shared(100, 10, 1)]) == ""


def test_time_after_a_seed_failed_or_left_for_good_is_no_exposure():
    steps = np.array([0, 10, 100, 1_000, 10_000, 100_000, 1_000_000])
    label = np.array([[0, 0, 0, 3, 3, 3, 3]])
    failed = PhasePath(steps=steps, label=label)
    assert phases_and_steps(failed, NAMES, 2, np.array(["diverged at step 500"]))[1] == [[1000.0]]
    back = PhasePath(steps=np.arange(0, 900, 100), label=np.array([[0, 0, 0, 1, 1, 1, 0, 0, 0]]))
    spent = phases_and_steps(back, NAMES, 2, None)[1]
    assert spent == [[300.0, 300.0, 200.0]]
    level = Level("phase", NAMES, {}, [["a", "b", "a"]], None, (), (), spent)
    assert level.exposure("a", "b") == 300  # until it first left
    assert level.exposure("b", "a") == 300
    assert level.count("a", "b") == (1, 1)


def test_a_seed_that_arrives_at_the_end_is_not_at_risk():
    level = Level("phase", NAMES, {}, [["b", "a"]] * 40, None, (), (), [[500.0, 0.0]] * 40)
    assert level.count("a", "c") == (0, 0)
    assert level.count("b", "a") == (40, 40)


@pytest.mark.parametrize(
    ("prediction", "seen", "answer"),
    [
        ((500, 500, 500), (500, None, None), None),  # no interval
        ((250, None, 300), (170, 150, 200), True),  # an open end
        ((250, None, 300), (350, 320, 400), False),
        ((445.1, 445.1, 445.1), (445.3, 445.3, 445.3), None),  # exact but for the way between sample sizes
        ((400, 390, 410), (350, 300, 380), False),
        ((None, None, None), (350, 300, 380), None),
    ],
)
def test_a_prediction_agrees_disagrees_or_cannot_be_judged(prediction, seen, answer):
    shown = Prediction("leading", prediction[0], "", *prediction[1:])
    crossing = BayesianTransition("a", "b", *seen, 4, 4, 0.5, 0.5)
    assert _agrees(shown, crossing) is answer


def test_no_disagreement_is_told_where_there_is_none_or_nothing_is_known():
    seeds = path((40, "a b"))
    sample_sizes = np.array([20, 400])
    sure = ladder(sample_sizes, np.array([[0.0, 50, 99, 999], [50.0, 0, 99, 999]]))
    (only,) = endings(seeds, sure, NAMES, 400, None)
    assert (only.share, only.mass) == (1.0, 1.0)
    assert _endpoints((only,)) == ""
    lost = dataclasses.replace(sure, share=np.full(sure.share.shape, np.nan))
    assert endings(seeds, lost, NAMES, 400, None) == ()
