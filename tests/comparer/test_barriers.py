"""Barriers are reported where they can be measured, and nowhere else."""

import pytest

from scripts.linear_gaussian import LinearGaussian
from slt.comparer.barriers import with_barriers
from slt.models.superposition import Superposition
from slt.phases.classification import phase_facts
from slt.records.comparison import Comparison, Verdict
from slt.records.phases import PhaseFacts


def verdict(source, target, said="bayesian only"):
    return Verdict(source, target, said, "So it is.", {})


def test_a_verdict_of_bayesian_only_says_how_high_the_way_climbs():
    model = Superposition(features=6)
    facts = {fact.name: fact for fact in phase_facts(model)}
    members = {"5-family": (facts["5"], facts["5+"]), "6": (facts["6"],), "5": (facts["5"],)}
    judged = Comparison(tuple(facts.values()), (), (), (verdict("5-family", "6"), verdict("5", "6", "both")))
    shown, untouched = with_barriers(judged, model, members).verdicts
    assert set(shown.evidence["barriers"]) == {"5", "5+"}
    assert shown.evidence["barriers"]["5+"] == pytest.approx(0.00753, abs=2e-4)
    assert "0.0075 from 5+" in shown.why
    assert untouched == judged.verdicts[1]


def test_phases_without_points_have_no_barriers():
    found = PhaseFacts("A", "A", 0.4, None, None, 0.0, "found by clustering; no theory")
    judged = Comparison((), (), (), (verdict("A", "B"),))
    members = {"A": (found,), "B": (found,)}
    assert with_barriers(judged, LinearGaussian(dimension=1), members) == judged
