import dataclasses
import json
import math

import numpy as np
import pytest
import scipy.special

from slt.comparer.summary import summary_of, to_json
from slt.comparer.verdicts import compare
from slt.models.superposition import kgons
from slt.records.phases import Occupancy, PhaseFacts, PhasePath
from slt.transitions import bayesian, dynamical


def facts(a_loss=0.4, b_loss=0.2, c_loss=0.1):
    """Three phases; the formula has a -> b at n = 61.9 and b -> c at 150 (leading order)."""
    return (
        PhaseFacts("a", "a", a_loss, 1.0, 1, -1.0, "test"),
        PhaseFacts("b", "b", b_loss, 4.0, 1, -1.0, "test"),
        PhaseFacts("c", "c", c_loss, 7.0, 1, -1.0, "test"),
    )


NAMES = ("a", "b", "c", "other")


def path(*groups, names=NAMES):
    """Seeds in groups: (how many, "name name ..."), each name held for three checkpoints."""
    longest = max(len(held.split()) for _, held in groups)
    rows = []
    for count, held in groups:
        order = [names.index(name) for name in held.split()]
        order += [order[-1]] * (longest - len(order))
        rows += [np.repeat(order, 3)] * count
    label = np.array(rows)
    return PhasePath(steps=100 * np.arange(label.shape[1]), label=label)


def ladder(sample_sizes, energies, noise=0.0, datasets=1, repeats=1, floor=1e-4, seed=0):
    """Occupancy from free energies (n, phase), nats; shares below the floor are never seen."""
    rng = np.random.default_rng(seed)
    energies = np.asarray(energies, float)
    scatter = noise * rng.normal(size=(datasets, len(sample_sizes), repeats, energies.shape[1]))
    share = scipy.special.softmax(-(energies[None, :, None] + scatter), axis=-1)
    share = np.where(share < floor, 0.0, share)
    share /= share.sum(axis=-1, keepdims=True)
    return Occupancy(
        sample_sizes=np.asarray(sample_sizes, float),
        share=share,
        free_energy=np.tile(energies.min(axis=1)[None, :, None], (datasets, 1, repeats)),
        visits=np.round(share * 1e4).astype(int),
        switches=np.full(share.shape[:3], -1),
        loss=np.where(share > 0, 0.1, np.nan),
        loss_variance=np.where(share > 0, 1e-6, np.nan),
        floor=np.asarray(floor),
    )


def by_formula(sample_sizes, these=None):
    """Free energies of `facts()` and of an "other" that holds nothing."""
    these = these or facts()
    sample_sizes = np.asarray(sample_sizes, float)
    energy = [
        n_loss * sample_sizes + llc * np.log(sample_sizes) for n_loss, llc in ((f.loss, f.llc) for f in these)
    ]
    return np.stack([*energy, energy[0] + 1000], axis=-1)


FULL = np.geomspace(10, 1000, 16).round()


def judged(path_, occupancy, these=None, names=NAMES, **options):
    these = these or facts()
    moves = () if path_ is None else dynamical.find(path_, np.zeros(path_.label.shape), names)
    jumps = () if occupancy is None else bayesian.find(occupancy, names, these)
    return compare(these, moves, jumps, path_, occupancy, names, **options)


def verdicts(comparison):
    return {(v.source, v.target): v for v in comparison.verdicts}


def test_both():
    comparison = judged(path((40, "a b"), (10, "a")), ladder(FULL, by_formula(FULL)))
    verdict = verdicts(comparison)["a", "b"]
    assert verdict.verdict == "both"
    assert (verdict.evidence["count"], verdict.evidence["at_risk"], verdict.evidence["seeds"]) == (40, 50, 50)
    assert verdict.evidence["share"] == pytest.approx(0.8)
    assert verdict.evidence["step"] == 300
    assert verdict.evidence["n"] == pytest.approx(61.9, rel=0.03)
    assert verdict.evidence["share_at_crossing"] == pytest.approx(0.5, abs=0.02)
    assert verdict.evidence["predictions_by_pair"]["a -> b"]["leading"] == pytest.approx(61.9, rel=0.01)
    assert "50 of 50 seeds were in a, 40 continued to b" in verdict.why
    assert comparison.headline.startswith("Both SGD and the posterior make: a -> b")


def test_bayesian_only():
    comparison = judged(path((49, "a b"), (1, "a b c")), ladder(FULL, by_formula(FULL)))
    verdict = verdicts(comparison)["b", "c"]
    assert verdict.verdict == "inconclusive"  # 1 of 50: the interval reaches 10.6 %
    verdict = verdicts(judged(path((50, "a b")), ladder(FULL, by_formula(FULL))))["b", "c"]
    assert verdict.verdict == "bayesian only"
    assert verdict.evidence["share_high"] == pytest.approx(1 - 0.025 ** (1 / 50))
    assert verdict.evidence["share_low"] == 0


def test_dynamical_only():
    """SGD goes b -> a, towards higher loss; the posterior only ever goes the other way."""
    comparison = judged(path((30, "b a"), (20, "b")), ladder(FULL, by_formula(FULL)))
    verdict = verdicts(comparison)["b", "a"]
    assert verdict.verdict == "dynamical only"
    assert verdict.evidence["posterior"] == "lacks"
    assert "Only SGD makes: b -> a" in comparison.headline


def test_dynamical_only_because_the_target_leads_at_every_n():
    ordered = facts(a_loss=0.4, b_loss=0.39)
    ordered = (dataclasses.replace(ordered[0], llc=4.0), *ordered[1:])  # b: no higher lambda, lower loss
    shares = ladder(FULL, by_formula(FULL, ordered) + np.array([1.0, 0, 0, 0]))
    assert verdicts(judged(path((50, "a b")), shares, ordered))["a", "b"].verdict == "dynamical only"


@pytest.mark.parametrize(
    ("sample_sizes", "energies", "reason"),
    [
        # the ladder starts after the crossing
        (FULL[FULL > 65], None, "start at smaller n"),
        # it ends before it
        (FULL[FULL < 55], None, "must overtake it at larger n"),
        # a holds nothing at all
        (FULL, [100.0, 0, 0, 0], "never saw a above 1/10,000; start below n = 10"),
        (FULL, [0, 100.0, 0, 0], "never saw b above 1/10,000; continue beyond n = 1,000"),
    ],
)
def test_inconclusive_because_of_the_ladder(sample_sizes, energies, reason):
    energy = by_formula(sample_sizes) + (0 if energies is None else np.array(energies))
    verdict = verdicts(judged(path((50, "a b")), ladder(sample_sizes, energy)))["a", "b"]
    assert verdict.verdict == "inconclusive"
    assert verdict.evidence["sgd"] == "has"
    assert reason in verdict.why


def test_inconclusive_because_neither_ever_held_much():
    """b overtakes a while c holds 99 % throughout."""
    energy = [[5, 9, 0, 50], [6, 8, 0, 50], [7, 7, 0, 50], [8, 6, 0, 50], [9, 5, 0, 50]]
    verdict = verdicts(judged(path((50, "a b")), ladder([10, 20, 40, 80, 160], energy)))["a", "b"]
    assert verdict.verdict == "inconclusive"
    assert "never both held 5 % of the posterior" in verdict.why


def test_a_ladder_from_n_1_has_no_lower_to_go():
    sample_sizes = np.array([1.0, 2, 4, 8, 16])
    always = np.tile([2.0, 0.0, 50, 50], (5, 1))
    comparison = judged(path((50, "a b")), ladder(sample_sizes, always))
    assert verdicts(comparison)["a", "b"].verdict == "dynamical only"


def test_inconclusive_because_no_seed_was_there():
    verdict = verdicts(judged(path((50, "a")), ladder(FULL, by_formula(FULL))))["b", "c"]
    assert verdict.verdict == "inconclusive"
    assert "none of 50 seeds was ever in b" in verdict.why


def test_inconclusive_because_of_few_seeds():
    assert (
        verdicts(judged(path((35, "b")), ladder(FULL, by_formula(FULL))))["b", "c"].verdict == "inconclusive"
    )
    assert (
        verdicts(judged(path((36, "b")), ladder(FULL, by_formula(FULL))))["b", "c"].verdict == "bayesian only"
    )


def test_one_seed_is_not_a_transition_but_three_of_three_are():
    """b -> a, which the posterior never makes: the interval of 1 of 1 starts at 2.5 %, of 3 of 3 at 29 %."""
    shares = ladder(FULL, by_formula(FULL))
    assert ("b", "a") not in verdicts(judged(path((1, "b a"), (49, "a")), shares))
    assert verdicts(judged(path((3, "b a"), (47, "a")), shares))["b", "a"].verdict == "dynamical only"


def test_either_side_may_be_absent():
    no_ladder = judged(path((50, "a b")), None)
    verdict = verdicts(no_ladder)["a", "b"]
    assert verdict.verdict == "inconclusive"
    assert "there is no ladder" in verdict.why
    assert verdict.evidence["predictions_by_pair"]["a -> b"]["leading"] == pytest.approx(61.9, rel=0.01)
    no_sgd = judged(None, ladder(FULL, by_formula(FULL)))
    assert verdicts(no_sgd)["a", "b"].verdict == "inconclusive"
    assert summary_of(facts(), None, no_ladder, NAMES)["occupancy"] == []


def test_what_neither_has_is_not_mentioned():
    comparison = judged(path((50, "a")), ladder([10, 20, 30], np.tile([0, 3.0, 3, 3], (3, 1))))
    assert comparison.verdicts == ()
    assert "Neither" in comparison.headline


def test_an_order_that_changes_in_the_shade_is_not_a_headline():
    """a and b each pass 5 % once, but where they change order nearly all is in c."""
    sample_sizes = np.array([10.0, 20, 40, 80, 160])
    a, b = np.array([0, 4.0, 9, 12, 14]), np.array([14, 12, 9.2, 4.0, 0])
    energy = np.stack([a, b, [1, -2, -3, -2, 1], 0 * sample_sizes + 50], axis=-1)
    seen = ladder(sample_sizes, energy, floor=1e-8)
    comparison = judged(path((50, "a")), seen)
    verdict = verdicts(comparison)["a", "b"]
    assert verdict.evidence["share_at_crossing"] < 0.01
    assert "while c holds more" in verdict.why
    assert "a -> b" not in comparison.headline
    assert "a -> c" in comparison.headline
    assert "Both SGD and the posterior make: a -> b" in judged(path((50, "a b")), seen).headline


# -- superposition -----------------------------------------------------------------------------------
def kgon_facts():
    return tuple(
        PhaseFacts(p.name, p.family, p.loss, p.llc, p.multiplicity, p.log_prior, p.source)
        for p in kgons.phases(6)
    )


SIX = ("4", "4+", "4++", "5", "5+", "6", "other")


def superposition(last_seed="4++ 6"):
    """64 seeds end as in TRUTHS (55 at 5+, 8 at 4++, 1 at 6); 5 and 5+ give way to 6 near n = 450."""
    runs = path(
        (30, "other 5+"), (25, "other 4++ 5+"), (8, "other 4++"), (1, f"other {last_seed}"), names=SIX
    )
    sample_sizes = np.geomspace(60, 1500, 14).round()
    five = 0.0205 * sample_sizes + 7 * np.log(sample_sizes)
    six = 8.5 * np.log(sample_sizes) + 0.0205 * 450 - 1.5 * np.log(450) + math.log(0.5)
    energy = np.stack([0 * sample_sizes + 900] * 3 + [five, five, six, six + 20], axis=-1)
    mass = ladder(sample_sizes, energy, noise=0.3, datasets=4, repeats=2)
    loss = np.array([[kgon_facts()[i].loss if i < 6 else 1 / 3 for i in row] for row in runs.label])
    moves = dynamical.find(runs, loss, SIX)
    jumps = bayesian.find(mass, SIX, kgon_facts())
    return compare(kgon_facts(), moves, jumps, runs, mass, SIX, loss=loss), mass


@pytest.mark.parametrize(("last_seed", "at_risk", "went"), [("4++ 6", 55, 0), ("5+ 6", 56, 1)])
def test_five_to_six_is_bayesian_only_with_the_counts(last_seed, at_risk, went):
    comparison, _ = superposition(last_seed)
    seen = verdicts(comparison)
    family = seen["5-family", "6"]
    assert family.verdict == "bayesian only"
    assert f"{at_risk} of 64 seeds were in 5-family, {went} continued to 6" in family.why
    assert family.evidence["level"] == "family"
    assert family.evidence["n"] == pytest.approx(450, rel=0.1)
    assert family.evidence["predictions_by_pair"]["5 -> 6"]["prior"] == pytest.approx(601.0, abs=0.05)
    assert comparison.headline.startswith(
        "No transition was seen to be shared. Only the posterior makes: 5-family -> 6"
    )
    plain = seen["5", "6"]  # no seed was ever in 5 itself
    assert plain.verdict == "bayesian only"
    assert plain.evidence["counted_pair"] == "5-family -> 6"
    assert "counted by family" in plain.why
    assert seen["5+", "6"].verdict == "bayesian only"
    assert seen["5+", "6"].evidence["counted_pair"] == "5+ -> 6"


def test_where_few_seeds_held_a_phase_its_family_is_counted():
    """One seed passes through 5 on its way to 5+: too few to say anything of 5 -> 6, and its family has 56."""
    plain = verdicts(superposition("5 5+")[0])["5", "6"]
    assert plain.verdict == "bayesian only"
    assert plain.evidence["counted_pair"] == "5-family -> 6"
    assert "only 1 of them were in 5 itself" in plain.why


def test_a_phase_that_the_ladder_never_saw_is_inconclusive():
    comparison, _ = superposition()
    seen = verdicts(comparison)
    assert seen["4++", "5+"].verdict == "inconclusive"
    assert "never saw 4++" in seen["4++", "5+"].why
    assert seen["4-family", "5-family"].evidence["count"] == 25
    assert seen["4-family", "5-family"].evidence["loss_drop"] == pytest.approx(0.09722 - 0.06180, abs=1e-5)


def test_within_a_family_seeds_are_not_counted_by_family():
    """5 -> 5+ in the posterior, all seeds in 5+: nothing is known of leaving 5."""
    sample_sizes = np.geomspace(500, 5000, 8)
    energy = np.stack(
        [0 * sample_sizes + 900] * 3
        + [0.007 * (sample_sizes - 1500), 0 * sample_sizes, 0 * sample_sizes + 900, 0 * sample_sizes + 900],
        axis=-1,
    )
    comparison = judged(path((50, "5+"), names=SIX), ladder(sample_sizes, energy), kgon_facts(), SIX)
    verdict = verdicts(comparison)["5", "5+"]
    assert verdict.verdict == "inconclusive"
    assert verdict.evidence["at_risk"] == 0


def test_no_row_is_given_twice():
    pairs = [(v.source, v.target) for v in superposition()[0].verdicts]
    assert len(pairs) == len(set(pairs))
    lone = judged(path((40, "a b"), (10, "a")), ladder(FULL, by_formula(FULL)))  # families of one phase each
    assert {v.evidence["level"] for v in lone.verdicts} == {"phase"}
    assert len(lone.verdicts) == len(verdicts(lone))


# -- notes and JSON ----------------------------------------------------------------------------------
def test_notes_name_failures_and_order():
    three = judged(
        path((48, "a b c"), (1, "other a b c"), (1, "other")),
        ladder(FULL, by_formula(FULL)),
        seed_status=np.array(["ok"] * 49 + ["diverged at step 7"]),
        ladder_status=np.array([[["ok"], ["low ess"]]]),
    )
    notes = " ".join(three.notes)
    assert "1 of 50 seeds are not ok: diverged at step 7 (1)." in notes
    assert "1 of 2 sample sizes of the ladder" in notes
    assert "1 of 50 seeds never stayed" in notes
    assert "were first in: a (1)" in notes
    assert "2 shared transitions" in notes
    assert "in the same order in steps and in n" in notes


def test_missing_posteriors_are_noted():
    seen = ladder(FULL, by_formula(FULL), datasets=2, repeats=2, noise=0.1)
    seen.share[0, 0, 1] = np.nan
    assert "1 of 64 posteriors have no usable draws" in " ".join(judged(path((50, "a b")), seen).notes)


def test_the_summary_is_plain_json_without_nan():
    comparison, mass = superposition()
    comparison = dataclasses.replace(
        comparison,
        dynamical=(
            dataclasses.replace(comparison.dynamical[0], loss_drop=math.nan),
            *comparison.dynamical[1:],
        ),
    )
    mass = dataclasses.replace(mass, free_energy=np.full(mass.free_energy.shape, np.nan))
    summary = summary_of(kgon_facts(), mass, comparison, SIX)
    again = json.loads(json.dumps(summary, allow_nan=False))
    assert set(again) >= {"phases", "occupancy", "free_energy", "dynamical", "bayesian", "comparison"}
    assert again["phases"][3]["name"] == "5"
    assert again["phases"][0]["llc"] is None
    assert again["dynamical"][0]["loss_drop"] is None
    assert again["free_energy"][0] == {
        "n": 60.0,
        "value": None,
        "error": None,
        "error_source": "over 4 data sets",
    }
    n_index = again["occupancy"][-1]
    assert n_index["n"] == 1500
    assert n_index["share"]["6"] > 0.95
    assert sum(n_index["share"].values()) == pytest.approx(1)
    assert set(n_index["error"]) == set(SIX)
    row = next(row for row in again["comparison"] if (row["from"], row["to"]) == ("5-family", "6"))
    assert row["verdict"] == "bayesian only"
    assert "source" not in row
    assert again["bayesian"][0]["predictions"][0]["approximation"] == "leading"
    assert [turn["phase"] for turn in again["dominance"]][-1] == "6"


def test_to_json_has_the_whole_comparison():
    comparison, _ = superposition()
    found = json.loads(json.dumps(to_json(comparison), allow_nan=False))
    assert found["headline"] == comparison.headline
    assert len(found["verdicts"]) == len(comparison.verdicts)
    assert len(found["dynamical"]) == len(comparison.dynamical)
