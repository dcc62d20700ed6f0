import dataclasses

import numpy as np
import pytest
import scipy.optimize
import scipy.special

from slt.records.phases import Occupancy, PhaseFacts
from slt.transitions import bayesian
from slt.transitions.odds import last_upward, log_odds

NAMES = ("a", "b", "other")
NS = np.geomspace(100, 2000, 12).round()
DRAWS = 512


def simple(n):
    """Free energies of superposition's 5 and 6, and of nothing else, nats."""
    return np.stack([0.0206 * n + 7 * np.log(n) + 20.2, 8.5 * np.log(n) + 22.9, 0 * n + 500], axis=-1)


def hovering(n):
    return np.stack([0 * n, 0 * n, 0 * n + 50], axis=-1)


TRUTH = scipy.optimize.brentq(lambda n: np.diff(simple(np.array(n))[:2])[0], 300, 1500)


def planted(rng, energies, datasets, repeats, sample_sizes=NS, between=0.7, within=0.3):
    """Occupancies whose log odds scatter over data sets, over sample sizes of a data set, and over repeats."""
    sample_sizes = np.asarray(sample_sizes, float)
    energy = energies(sample_sizes)
    phases = energy.shape[-1]
    noise = between * rng.normal(size=(datasets, 1, 1, phases))
    noise = noise + 0.3 * between * rng.normal(size=(datasets, len(sample_sizes), 1, phases))
    noise = noise + within * rng.normal(size=(datasets, len(sample_sizes), repeats, phases))
    visits = rng.multinomial(DRAWS, scipy.special.softmax(-(energy[None, :, None] + noise), axis=-1))
    return occupancy(visits / DRAWS, sample_sizes, floor=1 / DRAWS, visits=visits)


def occupancy(share, sample_sizes, floor=0.01, visits=None):
    share = np.asarray(share, float)
    return Occupancy(
        sample_sizes=np.asarray(sample_sizes, float),
        share=share,
        free_energy=np.zeros(share.shape[:3]),
        visits=np.round(share * DRAWS).astype(int) if visits is None else visits,
        switches=np.full(share.shape[:3], -1),
        loss=np.zeros(share.shape),
        loss_variance=np.zeros(share.shape),
        floor=np.asarray(floor),
    )


def exact(energies, sample_sizes):
    return occupancy(
        scipy.special.softmax(-energies(np.asarray(sample_sizes, float)), axis=-1)[None, :, None],
        sample_sizes,
        floor=0,
    )


@pytest.mark.parametrize(
    ("datasets", "repeats", "between"), [(8, 4, 0.7), (4, 2, 0.7), (3, 2, 0.7), (1, 4, 0.0), (16, 1, 0.7)]
)
def test_the_interval_covers_the_truth_as_often_as_it_says(datasets, repeats, between):
    """200 planted ladders: the crossing is found in all, from a to b only, and the interval holds the truth in
    90 % at least (95 % are claimed; 200 Bernoulli(0.95) fall below 0.9 with probability 0.002)."""
    rng = np.random.default_rng(datasets)
    covered, at = 0, []
    for i in range(200):
        (found,) = bayesian.find(
            planted(rng, simple, datasets, repeats, between=between), NAMES, (), seed=i, draws=1000
        )
        assert (found.source, found.target) == ("a", "b")
        low = -np.inf if found.n_low is None else found.n_low
        high = np.inf if found.n_high is None else found.n_high
        covered += low <= TRUTH <= high
        at.append(found.n)
    assert covered / 200 >= 0.9
    error = np.std(at) / np.sqrt(200)
    assert abs(np.mean(at) - TRUTH) < 4 * error + 2  # 2: curvature of the log odds between sample sizes


def test_the_interval_narrows_with_more_data_sets():
    rng = np.random.default_rng(3)
    widths = []
    for datasets in (4, 16):
        found = [bayesian.find(planted(rng, simple, datasets, 4), NAMES, ())[0] for _ in range(10)]
        widths.append(np.median([t.n_high - t.n_low for t in found]))
    assert 0.2 < widths[1] / widths[0] < 0.5  # sqrt(4/16) t_15/t_3 = 0.33


@pytest.mark.parametrize(("datasets", "repeats"), [(8, 4), (3, 2), (2, 2), (1, 4), (1, 1)])
def test_phases_that_hover_about_equal_shares_have_no_transition(datasets, repeats):
    rng = np.random.default_rng(datasets)
    within = 0.3 if repeats > 1 else 0.0  # a single repeat cannot know its own noise beyond counting
    between = 0.7 if datasets > 1 else 0.0
    found = [
        bayesian.find(
            planted(rng, hovering, datasets, repeats, between=between, within=within), NAMES, (), draws=1
        )
        for _ in range(200)
    ]
    assert sum(map(bool, found)) <= 10  # one ladder in twenty, at most


def test_the_same_noise_does_not_hide_a_crossing_that_is_there():
    """The rule above would be worthless if it refused everything."""
    rng = np.random.default_rng(5)
    found = [bayesian.find(planted(rng, simple, 2, 2), NAMES, (), draws=1) for _ in range(100)]
    assert sum(map(bool, found)) >= 90


def test_nothing_crosses_where_one_phase_leads_throughout():
    def led(n):
        return np.stack([0 * n, 1.5 + 0 * n, 3 + 0 * n], axis=-1)

    assert bayesian.find(planted(np.random.default_rng(0), led, 8, 4), NAMES, ()) == ()


def test_a_phase_below_the_minimum_has_no_transition():
    def trace(n):  # b overtakes a, while "other" holds nearly all
        return np.stack([0.01 * n, 5 + 0 * n, -6 + 0 * n], axis=-1)

    seen = exact(trace, NS)
    assert bayesian.find(seen, NAMES, ()) == ()
    assert len(bayesian.find(seen, NAMES, (), minimum=1e-9)) == 1


def test_quadrature_is_exact():
    sample_sizes = np.geomspace(100, 2000, 60)
    (found,) = bayesian.find(exact(simple, sample_sizes), NAMES, ())
    assert found.n == pytest.approx(TRUTH, rel=1e-4)
    assert found.n_low == found.n == found.n_high
    assert (found.crossed, found.datasets) == (1, 1)
    assert "exact" in found.method
    assert (found.peak_source, found.peak_target) == pytest.approx((1.0, 1.0), abs=0.02)


def test_an_exact_posterior_needs_no_margin_for_noise():
    """Shares go from 0.6 to 0.4: far from any noise by quadrature, too close to tell from one chain."""

    def slow(n):
        return np.stack([0.25 * np.log(n / 450), 0 * n, 50 + 0 * n], axis=-1)

    sample_sizes = np.geomspace(200, 1000, 40)
    (found,) = bayesian.find(exact(slow, sample_sizes), NAMES, ())
    assert found.n == pytest.approx(450, rel=1e-3)
    assert (
        bayesian.find(dataclasses.replace(exact(slow, sample_sizes), floor=np.asarray(1 / DRAWS)), NAMES, ())
        == ()
    )
    assert bayesian.find(exact(hovering, sample_sizes), NAMES, ()) == ()


def test_one_sampled_repeat_has_no_interval():
    seen = planted(np.random.default_rng(0), simple, 1, 1, between=0, within=0)
    (found,) = bayesian.find(seen, NAMES, ())
    assert (found.n_low, found.n_high) == (None, None)
    assert "nothing to make an interval from" in found.method


def test_a_reversed_crossing_counts_the_other_way_and_the_last_stands():
    def there_and_back(n):  # a leads, then b, then a
        x = np.log(n / 450)
        return np.stack([0 * n, 6 * x**2 - 3, 100 + 0 * n], axis=-1)

    def again(n):  # a, b, a, b
        x = np.log(n / 450)
        return np.stack([0 * n, -12 * np.sin(3 * x), 100 + 0 * n], axis=-1)

    (back,) = bayesian.find(exact(there_and_back, NS), NAMES, ())
    assert (back.source, back.target) == ("b", "a")
    assert back.n == pytest.approx(450 * np.exp(np.sqrt(0.5)), rel=0.05)
    (last,) = bayesian.find(exact(again, np.geomspace(200, 1100, 60)), NAMES, ())
    assert (last.source, last.target) == ("a", "b")
    assert last.n == pytest.approx(450, rel=0.01)


def test_each_data_set_is_asked_whether_it_crossed():
    """Four data sets cross, the fifth stays in a for good."""
    seen = planted(np.random.default_rng(1), simple, 5, 2, between=0.05)
    share = seen.share.copy()
    share[4] = [0.9, 0.1, 0.0]
    (found,) = bayesian.find(dataclasses.replace(seen, share=share), NAMES, ())
    assert (found.crossed, found.datasets) == (4, 5)


def test_failed_repeats_are_left_out():
    seen = planted(np.random.default_rng(2), simple, 4, 3, between=0.2)
    share = seen.share.copy()
    share[:, :, 1] = np.nan
    share[2, 5] = np.nan
    (found,) = bayesian.find(dataclasses.replace(seen, share=share), NAMES, ())
    assert found.n == pytest.approx(TRUTH, rel=0.1)


def test_an_interval_that_rests_on_unseen_phases_says_so():
    share = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    seen = occupancy(np.tile(share[None, :, None], (3, 1, 2, 1)), [100, 200, 300, 400])
    (found,) = bayesian.find(seen, NAMES, ())
    assert 200 < found.n < 300
    assert "limited by the number of draws" in found.method


def test_zero_shares_count_as_half_of_what_could_be_seen():
    seen = occupancy([[[[0.5, 0.0, 0.5]], [[0.0, 0.0, 1.0]]]], [100, 200], floor=0.01)
    odds = log_odds(seen, 0, 1)
    assert odds.mean[0] == pytest.approx(np.log(0.005 / 0.5))
    assert np.isnan(odds.mean[1])  # neither was seen: nothing is known of the pair
    assert odds.bounded.tolist() == [True, True]
    assert odds.decisive.tolist() == [-1, 0]


def test_predictions_stand_beside_the_observation():
    facts = (
        PhaseFacts("a", "a", 0.0206, 7.0, 1, -20.2, ""),
        PhaseFacts("b", "b", 0.0, 8.5, 1, -22.9, ""),
    )
    (found,) = bayesian.find(exact(simple, np.geomspace(100, 2000, 60)), NAMES, facts)
    assert [p.approximation for p in found.predictions] == ["leading", "prior"]
    assert found.predictions[1].n == pytest.approx(found.n, rel=1e-3)
    assert found.predictions[0].n < found.n


def test_dominance_lists_phases_in_turn():
    share = [[0.1, 0.1, 0.8], [0.6, 0.1, 0.3], [0.7, 0.2, 0.1], [0.2, 0.7, 0.1]]
    seen = occupancy(np.array(share)[None, :, None], [10, 20, 30, 40])
    assert bayesian.dominance(seen, NAMES) == [(10, 10, "other"), (20, 30, "a"), (40, 40, "b")]


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([-1, 1, 2], 0.5),
        ([-1, 1, -1, 3], 2.25),
        ([1, 2, 3], -np.inf),
        ([-1, 2, -3], np.inf),
        ([-1, np.nan, 1], 1.0),
        ([-1, 0, 1], 1.0),
        ([np.nan, np.nan, np.nan], np.inf),
    ],
)
def test_last_upward_zero(y, expected):
    assert last_upward(np.arange(len(y), dtype=float), np.array(y, float)) == expected


def test_the_heat_capacity_is_the_variance_of_n_loss_and_a_failed_repeat_is_left_out():
    """Two phases at losses 0.1 and 0.2, half the mass each, spread by 0.01 inside: n^2 (0.05^2 + 0.01^2)."""
    share = np.full((1, 2, 4, 3), 0.5)
    share[..., 2] = 0.0
    seen = occupancy(share, [100, 200])
    loss = np.broadcast_to([0.1, 0.2, np.nan], share.shape)
    variance = np.broadcast_to([1e-4, 1e-4, np.nan], share.shape)
    whole = dataclasses.replace(seen, loss=loss, loss_variance=variance)
    expected = 200**2 * (0.05**2 + 0.01**2)
    assert bayesian._heat_capacity(whole, [0, 1]) == pytest.approx(expected)
    failed = whole.share.copy()
    failed[0, :, 1] = np.nan
    assert bayesian._heat_capacity(dataclasses.replace(whole, share=failed), [0, 1]) == pytest.approx(
        expected
    )
    lost = dataclasses.replace(whole, share=np.full(share.shape, np.nan))
    assert bayesian._heat_capacity(lost, [0, 1]) is None
    assert bayesian._separation(whole, 0, 1, 0) == pytest.approx(np.sqrt(2) * 0.1 / np.sqrt(2e-4))
