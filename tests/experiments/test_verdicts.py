"""Each study's rule, given numbers in place of measurements: what makes its claim hold, mixed or fail; and the
verdicts that are kept, by the same rules from the data kept with them.

`study()` is called with the functions that measure replaced, so that what is tested is the rule that made the table.
"""

import re

import pytest

from experiments import making
from experiments.finding import VERDICTS
from tests.experiments import stand_ins as given


def judged(monkeypatch, name, measured):
    """What the study finds, with the attributes of its module named in `measured` replaced; no picture is drawn."""
    study = making.load(name)
    drawing = "picture" if hasattr(study, "picture") else "_figure"
    for attribute, value in {drawing: given.always(None), **measured}.items():
        monkeypatch.setattr(study, attribute, value)
    return study.study()


PARTS = ("order", "plateaus", "theory rises", "estimate rises", "shared", "posterior jumps", "ridge")
BAYES, BOTH, SGD = "bayesian only", "both", "dynamical only"
RULES = [
    ("two_bump", given.two_bump(BAYES, 104.0), "holds"),
    ("two_bump", given.two_bump(BAYES, 106.0), "mixed"),
    ("two_bump", given.two_bump(BAYES, 94.0), "mixed"),
    ("two_bump", given.two_bump(BOTH, 100.0), "fails"),
    ("two_bump", given.two_bump(BAYES, None), "fails"),
    ("dynamical_only", given.dynamical_only(SGD, 0.9, 0.6), "fails"),
    ("dynamical_only", given.dynamical_only(SGD, 0.9, 0.4), "mixed"),
    ("dynamical_only", given.dynamical_only("neither", 0.9, 0.6), "mixed"),
    ("dynamical_only", given.dynamical_only(BOTH, 0.9, 0.4), "holds"),
    ("reversed", given.reversed_(SGD, BAYES), "holds"),
    ("reversed", given.reversed_(SGD, BOTH), "mixed"),
    ("reversed", given.reversed_(BOTH, BAYES), "mixed"),
    ("reversed", given.reversed_(BOTH, BOTH), "fails"),
    ("superposition", given.superposition(BAYES), "holds"),
    ("superposition", given.superposition("inconclusive"), "mixed"),
    ("superposition", given.superposition(BOTH), "fails"),
    ("superposition", given.superposition(SGD), "fails"),
    ("superposition", given.superposition(None), "fails"),
    ("three_wells", given.three_wells(109.0, 91.0), "holds"),
    ("three_wells", given.three_wells(100.0, 111.0), "mixed"),
    ("three_wells", given.three_wells(89.0, 100.0), "mixed"),
    ("three_wells", given.three_wells(100.0, 100.0, order=(0, 2, 1)), "fails"),
    ("three_wells", given.three_wells(100.0, None), "fails"),
    ("crater_valley", given.crater_valley(5, 58, 0.5), "holds"),
    ("crater_valley", given.crater_valley(15, 58, 0.5), "mixed"),  # a fifth, but up to three tenths
    ("crater_valley", given.crater_valley(5, 58, 0.5 + 1e-5), "mixed"),
    ("crater_valley", given.crater_valley(15, 58, 0.5 + 1e-5), "fails"),
    ("degenerate", given.degenerate(0.375 * 1.04), "holds"),
    ("degenerate", given.degenerate(0.375 * 1.06), "mixed"),
    ("degenerate", given.degenerate(0.375 * 0.94), "mixed"),
    ("degenerate", given.degenerate(-0.375), "fails"),
    ("crater_staircase", given.crater_staircase(), "holds"),
    ("crater_staircase", given.crater_staircase(half=0.502), "mixed"),
    ("crater_staircase", given.crater_staircase(stays=(0.4, 0.2)), "mixed"),
    ("crater_staircase", given.crater_staircase(share=(0.2, 0.02)), "fails"),  # 0.2 / 1.5^6 is 0.0176
    ("crater_staircase", given.crater_staircase(share=(0.2, 0.02), how="flow"), "fails"),
    ("feature_geometry", given.feature_geometry(), "holds"),
    ("feature_geometry", given.feature_geometry(means=(1.2, 2.0, 3.0)), "mixed"),
    ("feature_geometry", given.feature_geometry(means=(1.0, 1.8, 1.9)), "mixed"),
    ("feature_geometry", given.feature_geometry(means=(1.0, 3.0, 2.98)), "holds"),  # a fall within two errors
    ("feature_geometry", given.feature_geometry(means=(1.0, 3.0, 2.9)), "mixed"),
    ("feature_geometry", given.feature_geometry(plateaus=2.9), "mixed"),
    ("feature_geometry", given.feature_geometry(posterior=2.9), "mixed"),
    ("feature_geometry", given.feature_geometry((1.2, 2.0, 3.0), 2.9, 2.9), "fails"),
    ("many_seeds", given.many_seeds(), "holds"),
    ("many_seeds", given.many_seeds(effective=9.0), "mixed"),
    ("many_seeds", given.many_seeds(spread=1.0), "mixed"),
    ("many_seeds", given.many_seeds(fresh=0.0), "mixed"),
    ("many_seeds", given.many_seeds(own=1.11), "mixed"),
    ("many_seeds", given.many_seeds(9.0, 0.5, 0.0, 1.11), "fails"),
    ("mixture", given.mixture(), "holds"),
    ("mixture", given.mixture(slope=0.769, exponent=-0.231, sgd=-0.279, em=-0.221), "holds"),
    ("mixture", given.mixture(sgd=-0.281), "mixed"),
    ("mixture", given.mixture(em=-0.219), "mixed"),
    ("mixture", given.mixture(slope=0.771), "fails"),
    ("mixture", given.mixture(exponent=-0.271), "fails"),
    ("monosemantic", given.monosemantic(), "holds"),
    ("monosemantic", given.monosemantic(bias=0.0), "mixed"),
    ("monosemantic", given.monosemantic(rate=-0.1), "mixed"),
    ("monosemantic", given.monosemantic(neurons=-0.1), "mixed"),
    ("monosemantic", given.monosemantic(per_feature=-0.1), "mixed"),
    ("monosemantic", given.monosemantic(unlike=0.029), "holds"),
    ("monosemantic", given.monosemantic(unlike=0.031), "mixed"),
    ("monosemantic", given.monosemantic(bias=0.0, rate=0.0), "fails"),
    ("reduced_rank", given.reduced_rank(), "holds"),
    ("reduced_rank", given.reduced_rank(prior=1.19, leading=0.81), "holds"),
    ("reduced_rank", given.reduced_rank(order=(8, 2)), "mixed"),
    ("reduced_rank", given.reduced_rank(middle=0.34), "mixed"),
    ("reduced_rank", given.reduced_rank(prior=1.21), "mixed"),
    ("reduced_rank", given.reduced_rank((8, 2), 50.0, None, leading=2.0, prior=2.0, volume=2.0), "fails"),
    ("reduced_rank", given.reduced_rank((9, 1), None, None, leading=2.0, prior=2.0, volume=2.0), "fails"),
    ("s_curves", given.s_curves(), "holds"),
    ("s_curves", given.s_curves(low=0.19), "mixed"),
    ("s_curves", given.s_curves(high=0.11), "mixed"),
    ("s_curves", given.s_curves(adam=0.19), "mixed"),
    ("s_curves", given.s_curves(bumps=(1, 1)), "mixed"),
    ("s_curves", given.s_curves(adam_bumps=(0, 1)), "mixed"),
    ("s_curves", given.s_curves(0.19, 0.11, 0.19, (0, 0), (0, 0)), "fails"),
    ("saddle_to_saddle", given.saddle_to_saddle(), "holds"),
    *(("saddle_to_saddle", given.saddle_to_saddle((part,)), "mixed") for part in PARTS),
    ("saddle_to_saddle", given.saddle_to_saddle(PARTS[1:]), "mixed"),
    ("saddle_to_saddle", given.saddle_to_saddle(PARTS), "fails"),
    ("volume_scaling", given.volume_scaling(), "holds"),
    ("volume_scaling", given.volume_scaling(("w1^2",), by=0.001), "holds"),
    ("volume_scaling", given.volume_scaling(("w1^2",)), "mixed"),
    ("volume_scaling", given.volume_scaling(flat=True), "mixed"),
    ("volume_scaling", given.volume_scaling(("w1^2", "w1^4 + w2^2", "w1^2 w2^2", "w1^2 w2^4")), "fails"),
    ("walk_along_minimum", given.walk_along_minimum(), "holds"),
    ("walk_along_minimum", given.walk_along_minimum(trace=8.9), "mixed"),
    ("walk_along_minimum", given.walk_along_minimum(ratio=(1.0, 1.0, 1.11)), "mixed"),
    ("walk_along_minimum", given.walk_along_minimum(ratio=(0.89, 1.0, 1.0)), "mixed"),
    ("walk_along_minimum", given.walk_along_minimum(moved=2e-6), "mixed"),
    ("walk_along_minimum", given.walk_along_minimum(8.9, (1.2, 1.0, 1.0), 2e-6), "fails"),
]


@pytest.mark.parametrize(("name", "measured", "verdict"), RULES, ids=[f"{n}-{v}" for n, _, v in RULES])
def test_a_rule_judges_what_was_measured(monkeypatch, name, measured, verdict):
    assert judged(monkeypatch, name, measured).verdict == verdict


KEPT = {
    **dict.fromkeys(("two_bump", "dynamical_only", "reversed", "superposition"), given.kept_seen),
    **dict.fromkeys(("three_wells", "crater_valley", "degenerate"), given.kept_seen),
    "crater_staircase": given.kept_crater_staircase,
    "many_seeds": given.kept_many_seeds,
    "mixture": given.kept_mixture,
    "monosemantic": given.kept_monosemantic,
    "reduced_rank": given.kept_reduced_rank,
    "s_curves": given.kept_s_curves,
    "saddle_to_saddle": given.kept_saddle_to_saddle,
    "volume_scaling": given.kept_volume_scaling,
    "walk_along_minimum": given.kept_walk_along_minimum,
}  # not feature_geometry, whose errors of the means are not kept


@pytest.mark.parametrize("name", KEPT)
def test_a_kept_verdict_is_what_the_rule_says_of_the_data_kept_with_it(monkeypatch, name):
    kept = given.kept(name)
    found = judged(monkeypatch, name, KEPT[name](kept["data"]))
    assert found.verdict == kept["verdict"]
    assert found.data.get("parts") == kept["data"].get("parts")


# -- rules that are functions of the data -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "data", "verdict"),
    [
        ("induction", given.induction(), "holds"),
        ("induction", given.induction(order=6), "mixed"),
        ("induction", given.induction(halves=6), "mixed"),
        ("induction", given.induction(hidden=6), "mixed"),
        ("induction", given.induction(order=6, halves=6, hidden=6), "fails"),
        ("sparse_parity", given.sparse_parity(), "holds"),
        ("sparse_parity", given.sparse_parity(exponent=(1.5, 0.3)), "holds"),  # far, but its interval holds 1
        ("sparse_parity", given.sparse_parity(one=0.94), "mixed"),
        ("sparse_parity", given.sparse_parity(exponent=(1.21, 0.01)), "mixed"),
        ("sparse_parity", given.sparse_parity(exponent=(0.79, 0.01)), "mixed"),
        ("sparse_parity", given.sparse_parity(smooth=0.94), "mixed"),
        ("sparse_parity", given.sparse_parity(0.94, (1.21, 0.01), 0.94), "fails"),
        ("staircase", given.staircase(), "holds"),
        ("staircase", given.staircase(low=1.79), "mixed"),  # ends below 2
        ("staircase", given.staircase(low=2.31), "mixed"),
        ("staircase", given.staircase(order=0.89), "mixed"),
        ("staircase", given.staircase(far=2.9), "mixed"),
        ("staircase", given.staircase(order=0.89, far=2.9), "fails"),
    ],
)
def test_a_rule_judges_data(name, data, verdict):
    assert making.load(name)._judge(data)[0] == verdict


@pytest.mark.parametrize("name", ["induction", "sparse_parity", "staircase"])
def test_a_kept_verdict_and_its_numbers_follow_from_the_data_kept_with_it(name):
    kept = given.kept(name)
    verdict, numbers = making.load(name)._judge(kept["data"])
    assert verdict == kept["verdict"]
    assert given.figures(numbers) == given.figures(kept["numbers"])


# -- words ------------------------------------------------------------------------------------------------------
STATED = re.compile(r"\*\*(?:Found|Verdict)[.:](.*?)[.:;\n](?=\s|\*)", re.IGNORECASE)


@pytest.mark.parametrize("name", sorted(making.findings()))
def test_a_readme_states_the_verdict_that_was_found(name):
    """In the clause that follows "Found" or "Verdict"."""
    text = (making.FOLDER / name / "README.md").read_text(encoding="utf-8")
    words = re.findall(rf"\b({'|'.join(VERDICTS)})\b", " ".join(STATED.findall(text)).lower())
    assert set(words) == {making.findings()[name]["verdict"]}


def test_the_posterior_of_addition_holds_nothing_where_it_is_not_trusted():
    kept, judge = given.kept("posterior_grokking"), making.load("posterior_grokking").judged
    rows = kept["data"]["by_n"]
    verdict, numbers = judge(rows)
    assert verdict == kept["verdict"]
    assert given.figures(numbers) == given.figures(kept["numbers"])
    assert judge([row | {"trusted": False} for row in rows])[0] == "mixed"
    assert judge([row | {"trusted": True} for row in rows])[0] == "holds"
    assert judge([row | {"trusted": True, "test": [[0.1, 0.1]] * 2} for row in rows])[0] == "fails"
