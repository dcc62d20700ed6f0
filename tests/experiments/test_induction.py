"""When a seed passes a stage, and whether its loss shows it, on curves made by hand."""

import numpy as np

from experiments.induction.study import COPYING, STAGES, Bump, measured, passes
from slt.records.base import OK
from slt.records.training import Trajectory

AT = dict(zip((*STAGES, COPYING), (10, 20, 40, 55, 60), strict=True))
IDEALS = {name: {"copy": nats} for name, nats in (("bigram", 2.0), ("copying", 1.0))}


def rise(middle):
    """From 0 to 1; checkpoint `middle` is the first beyond half-way."""
    return 1 / (1 + np.exp(-(np.arange(80) - middle + 0.5) / 1.5))


def trajectory():
    """Two seeds, steps ten times the checkpoint. The loss of the first falls evenly; that of the second also jumps,
    where its previous-token head forms. In both, heads that come to little are beside those that form."""
    even = 3 - 0.001 * np.arange(80)
    loss = np.stack([even, even - rise(AT["previous token"])])
    weak = 0.1 + 0.1 * rise(30)
    curves = {
        "KL unigram": 1 - 0.8 * rise(AT["unigram"]) + 0.5 * rise(70),  # left behind, when pairs are learned
        "KL bigram": 1 - 0.8 * rise(AT["bigram"]),
        "previous token 0.0": weak,
        "previous token 0.1": 0.1 + 0.7 * rise(AT["previous token"]),
        "previous token 1.0": rise(5),
        "prefix matching 0.0": rise(6),
        "prefix matching 1.0": 0.2 + 0.6 * rise(AT["induction"]),
        "prefix matching 1.1": weak,
        "loss copy": 2.2 - 1.2 * rise(AT[COPYING]),
    }
    both = {name: np.stack([curve, curve]) for name, curve in curves.items()}
    status = np.array([OK, OK])
    return Trajectory(10 * np.arange(80), {}, np.full((2, 80), np.nan), loss, both, np.full(2, -1), status)


def test_stages_are_passed_half_way_and_hidden_where_the_loss_does_not_jump():
    seeds = measured(Bump(trajectory(), IDEALS))["seeds"]
    for one in seeds:
        assert one["curves"]["previous token"] == "previous token 0.1"
        assert one["curves"]["induction"] == "prefix matching 1.0"
        for stage in STAGES:
            assert one["passed"][stage] == 10 * AT[stage]
        assert one["passed"][COPYING] == 10 * (AT[COPYING] + 1)  # 1.5 nats, a little past its own middle
        assert all(one["begins"][stage] < one["passed"][stage] for stage in STAGES)
    hidden, seen = seeds
    assert hidden["transitions of the loss"] == []
    assert set(hidden["hidden"]) == set(STAGES)
    assert len(seen["transitions of the loss"]) == 1
    assert set(seen["hidden"]) == set(STAGES) - {"previous token"}


def test_a_head_that_does_not_form_is_passed_nowhere():
    assert passes(0.1 + 0.19 * rise(30), "previous token") is None
    assert passes(0.1 + 0.21 * rise(30), "previous token") == 30
    assert passes(np.linspace(1, 2, 80), "unigram") is None
