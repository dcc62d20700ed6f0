"""Phases found by clustering: two wells whose truth is known, one well, and what is missing or broken."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

import slt
from slt.models.base import Model, as_model, static
from slt.models.quadratic import Quadratic
from slt.phases import discovery
from slt.phases.occupancy import occupancy_of
from slt.records.posterior import Ladder
from slt.records.training import Trajectory
from slt.transitions import bayesian, dynamical, free_energy

NS = np.array([20, 35, 60, 100, 150, 200, 300, 400, 600, 800])


@as_model
class Wells(Model):
    """Two quadratic wells in the plane, at (-2, 0) and (2, 0): the left is wide, the right lower by `drop`."""

    drop: float = static(0.02)
    watched: bool = static(True)

    def init(self, key):
        return {"w": jnp.array([-2.0, 0.3]) + 0.1 * jax.random.normal(key, (2,))}

    def sample(self, key, n):
        return jnp.zeros(n)

    def losses(self, w, data):
        return jnp.broadcast_to(self.population_loss(w), data.shape)

    def population_loss(self, w):
        (x, y), wide = w["w"], jnp.sum((w["w"] - jnp.array([-2.0, 0.0])) ** 2)
        return jnp.minimum(0.05 + 0.5 * wide, 0.05 - self.drop + 2.0 * ((x - 2.0) ** 2 + y**2))

    def log_prior(self, w):
        return jnp.sum(jax.scipy.stats.norm.logpdf(w["w"], scale=2.0))

    def sample_prior(self, key):
        return 2.0 * jax.random.normal(key, (2,))

    def observables(self, w):
        return {"place": w["w"][0], "constant": jnp.ones(())} if self.watched else {}


@as_model
class Hidden(Quadratic):
    """A bowl that names no phase."""

    def phases(self):
        return ()

    def observables(self, w):
        return {"norm": jnp.sum(w["w"] ** 2)}


def ladder_of(place, model, seed=0):
    """Draws (2 data sets, n, 2 repeats, 200), Gaussian in two wells: `place` (n,) is the share in the right."""
    rng = np.random.default_rng(seed)
    right = rng.random((2, len(NS), 2, 200)) < np.asarray(place)[None, :, None, None]
    spread = np.where(right, 0.5, 1.0) / np.sqrt(NS)[None, :, None, None]
    draws = np.where(right, 2.0, -2.0)[..., None] * np.array([1.0, 0.0])
    draws = draws + spread[..., None] * rng.normal(size=(*right.shape, 2))
    loss = np.asarray(jax.vmap(model.population_loss)({"w": draws.reshape(-1, 2)})).reshape(right.shape)
    lead = right.shape[:3]
    ladder = Ladder(
        NS, {"w": draws}, np.full(right.shape, -np.log(200)), loss, np.zeros(lead), {}, np.full(lead, "ok")
    )
    return ladder, right


def trajectory_of(model, seeds=12, jump=40, checkpoints=80, seed=0):
    """Seeds that rest in the left well and jump to the right one at checkpoint `jump`, all but the last two."""
    rng = np.random.default_rng(seed)
    right = np.zeros((seeds, checkpoints), bool)
    right[: seeds - 2, jump:] = True
    w = np.where(right, 2.0, -2.0)[..., None] * np.array([1.0, 0.0]) + 0.02 * rng.normal(
        size=(*right.shape, 2)
    )
    loss = np.asarray(jax.vmap(jax.vmap(lambda w: model.population_loss({"w": w})))(w))
    steps = np.unique(np.geomspace(1, 1e5, 2 * checkpoints).astype(int))[-checkpoints:]
    return Trajectory(steps, {"w": w}, loss, loss, {}, np.zeros(seeds, int), np.full(seeds, "ok")), right


@pytest.fixture(scope="module")
def two():
    """The posterior passes from the wide well to the lower one near n = 150; most seeds jump."""
    model = Wells()
    ladder, drawn = ladder_of(1 / (1 + np.exp(-(NS - 150) / 40)), model)
    trajectory, trained = trajectory_of(model)
    return discovery.find(model, trajectory, ladder), ladder, trajectory, drawn, trained


def test_two_wells_are_found_and_shared_by_both_learners(two):
    found, _, _, drawn, trained = two
    assert [fact.name for fact in found.facts] == ["A", "B"]
    assert (found.draws[drawn] == 1).mean() > 0.95
    assert (found.draws[~drawn] == 0).mean() > 0.95
    assert (found.path.label == trained).mean() > 0.95
    assert found.facts[0].loss == pytest.approx(0.05, abs=0.002)
    assert found.facts[1].loss == pytest.approx(0.03, abs=0.002)
    assert "in log population loss, place: 2 were found, A to B by decreasing loss" in found.note


def test_what_theory_would_say_is_unknown(two):
    found = two[0]
    for fact in found.facts:
        assert (fact.llc, fact.multiplicity, fact.family) == (None, None, fact.name)
        assert np.isfinite(fact.log_prior)
        assert "no theory" in fact.source
    assert all("unknown learning coefficient" in p.why for p in free_energy.predictions_of(*found.facts))


def test_transitions_are_seen_on_both_sides(two):
    found, ladder, trajectory, *_ = two
    names = (*(fact.name for fact in found.facts), "other")
    (in_steps,) = dynamical.find(found.path, trajectory.population_loss, names)
    assert (in_steps.source, in_steps.target, in_steps.count, in_steps.at_risk) == ("A", "B", 10, 12)
    occupancy = occupancy_of(ladder, found.draws, 2, ordered=False)
    (in_n,) = bayesian.find(occupancy, names, found.facts)
    assert (in_n.source, in_n.target) == ("A", "B")
    assert 110 < in_n.n < 190


def test_the_same_records_give_the_same_phases(two):
    found, ladder, trajectory, *_ = two
    again = discovery.find(Wells(), trajectory, ladder)
    assert again.facts == found.facts
    np.testing.assert_array_equal(again.draws, found.draws)


def test_either_learner_may_be_missing(two):
    _, ladder, trajectory, drawn, _ = two
    alone = discovery.find(Wells(), None, ladder)
    assert alone.path is None
    assert adjusted_rand_score(drawn.ravel(), alone.draws.ravel()) > 0.9
    alone = discovery.find(Wells(), trajectory, None)
    assert (alone.draws, len(alone.facts)) == (None, 2)
    with pytest.raises(ValueError, match="neither"):
        discovery.find(Wells(), None, None)


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_one_well_is_one_phase_however_far_the_posterior_comes_down(watched, seed):
    model = Wells(watched=watched)
    ladder, _ = ladder_of(np.zeros(len(NS)), model, seed)
    found = discovery.find(model, None, ladder)
    assert [fact.name for fact in found.facts] == ["A"]
    assert "no transition to see" in found.note


@pytest.mark.parametrize("dimension", [2, 6, 20])
def test_a_loss_that_the_posterior_brings_down_to_0_is_one_phase(dimension):
    """Draws of a regular model: in many dimensions those of one sample size lie in a thin shell, apart from the
    next."""
    model = Hidden(dimension=dimension)
    w = np.random.default_rng(0).normal(size=(2, len(NS), 2, 200, dimension))
    w = w / np.sqrt(NS)[None, :, None, None, None]
    lead = w.shape[:3]
    loss = np.sum(w**2, axis=-1) / 2
    weights = np.full(loss.shape, -np.log(200))
    ladder = Ladder(NS, {"w": w}, weights, loss, np.zeros(lead), {}, np.full(lead, "ok"))
    assert len(discovery.find(model, None, ladder).facts) == 1


def test_a_constant_loss_is_one_phase():
    model = Wells(watched=False)
    trajectory, _ = trajectory_of(model)
    still = dataclasses.replace(trajectory, params={"w": np.zeros_like(trajectory.params["w"])})
    found = discovery.find(model, still, None)
    assert len(found.facts) == 1
    assert (found.path.label == 0).all()


def test_parameters_that_are_not_finite_are_other(two):
    _, ladder, trajectory, *_ = two
    w = trajectory.params["w"].copy()
    w[3, 60:], w[4] = np.nan, np.inf
    broken = dataclasses.replace(trajectory, params={"w": w})
    draws = ladder.draws["w"].copy()
    draws[0, 3, 1] = np.nan
    weights = ladder.log_weights.copy()
    weights[0, 3, 1] = np.nan
    failed = dataclasses.replace(ladder, draws={"w": draws}, log_weights=weights)
    found = discovery.find(Wells(), broken, failed)
    assert len(found.facts) == 2
    assert (found.path.label[3, 60:] == 2).all()
    assert (found.path.label[4] == 2).all()
    assert (found.draws[0, 3, 1] == 2).all()
    never = dataclasses.replace(trajectory, params={"w": np.full_like(w, np.nan)})
    assert discovery.find(Wells(), never, None).facts == ()


def test_grid_points_without_weight_make_no_phase():
    """A grid over the plane is no sample of the posterior: only its weights say where that is."""
    model = Wells()
    x, y = np.meshgrid(np.linspace(-4, 4, 240), np.linspace(-1.5, 1.5, 90))
    w = np.stack([x.ravel(), y.ravel()], axis=-1)
    loss = np.asarray(jax.vmap(lambda w: model.population_loss({"w": w}))(w))
    sample_sizes = NS[:6]
    energy = sample_sizes[:, None] * loss + np.where(w[:, 0] > 0, 3.0, 0.0)
    log_weights = -energy - np.log(np.exp(-energy).sum(axis=1, keepdims=True))
    shape = (1, len(sample_sizes), 1, len(w))
    ladder = Ladder(
        sample_sizes,
        {"w": np.broadcast_to(w, (*shape, 2))},
        log_weights[None, :, None],
        np.broadcast_to(loss, shape),
        np.zeros(shape[:3]),
        {},
        np.full(shape[:3], "ok"),
    )
    found = discovery.find(model, None, ladder)
    occupancy = occupancy_of(ladder, found.draws, len(found.facts), ordered=False)
    right = np.exp(log_weights)[:, w[:, 0] > 0].sum(axis=1)
    assert len(found.facts) == 2
    np.testing.assert_allclose(occupancy.share[0, :, 0, 1], right, atol=0.1)


def test_a_model_without_phases_runs_to_its_report(tmp_path):
    """Superposition in three dimensions has no classifier."""
    small = (
        "model.features=4",
        "model.hidden=3",
        "data.datasets=2",
        "training.seeds=8",
        "training.steps=4000",
        "training.checkpoints=60",
        "posterior.sample_sizes=[20,60,150,300]",
        "posterior.sampler.particles=96",
    )
    run = slt.run(small, store=tmp_path, progress=False)
    assert run.status == "done"
    summary = json.loads((run.path / "summary.json").read_text())
    assert "looked for by clustering" in summary["notes"][0]
    assert {phase["source"] for phase in summary["phases"]} == {discovery.SOURCE}
    assert len(summary["occupancy"][0]["share"]) == len(summary["phases"]) + 1
    assert summary["sigmoid_fits"]["mean"]["k"] >= 1
