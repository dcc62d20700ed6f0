import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from slt.models.base import Phase, as_model
from slt.models.superposition import Superposition
from slt.phases import classification
from slt.phases.classification import label_ladder
from slt.phases.families import merge_path
from slt.phases.local_free_energy import free_energy_summary, local_free_energy
from slt.phases.occupancy import estimate, merge_families, occupancy_summary
from slt.records.phases import Occupancy
from slt.records.posterior import Ladder
from slt.records.training import Trajectory


@as_model
class Halves:
    """One parameter; below -1 is "left", between is "middle" of the same family, above 1 is "right"."""

    def phases(self):
        point = {"w": jnp.zeros(())}
        return (
            Phase("left", point, loss=1.0, family="low"),
            Phase("middle", point, loss=0.5, llc=0.5, multiplicity=1, family="low", source="made up"),
            Phase("right", point, loss=0.1),
        )

    def classify(self, w):
        x = w["w"]
        return jnp.where(x > 5, 3, jnp.where(x < -1, 0, jnp.where(x > 1, 2, 1))).astype(jnp.int32)


def ladder(draws, log_weights, loss=None, log_evidence=None):
    """From arrays (dataset, n, repeat, draw)."""
    draws = np.asarray(draws, float)
    lead = draws.shape[:3]
    return Ladder(
        sample_sizes=np.arange(1, lead[1] + 1) * 100,
        draws={"w": draws},
        log_weights=np.broadcast_to(log_weights, draws.shape),
        loss=np.ones(draws.shape) if loss is None else np.asarray(loss, float),
        log_evidence=np.zeros(lead) if log_evidence is None else log_evidence,
        info={},
        status=np.full(lead, "ok"),
    )


def occupancy(share, free_energy=0.0, floor=0.01):
    """From shares (dataset, n, repeat, phase)."""
    share = np.asarray(share, float)
    return Occupancy(
        sample_sizes=np.arange(1, share.shape[1] + 1) * 100,
        share=share,
        free_energy=np.broadcast_to(np.asarray(free_energy, float), share.shape[:3]),
        visits=np.nan_to_num(share * 100).astype(int),
        switches=np.full(share.shape[:3], 3),
        loss=np.where(share > 0, 0.5, np.nan),
        loss_variance=np.where(share > 0, 1e-6, np.nan),
        floor=np.asarray(floor),
    )


def test_facts_are_the_phases_without_their_points():
    facts = classification.phase_facts(Halves())
    assert [fact.name for fact in facts] == ["left", "middle", "right"]
    assert [fact.family for fact in facts] == ["low", "low", "right"]
    assert (facts[1].llc, facts[1].multiplicity, facts[1].loss, facts[1].source) == (0.5, 1, 0.5, "made up")
    assert facts[0].llc is None


def test_each_superposition_phase_is_labeled_as_itself_at_single_precision_too():
    model = Superposition(features=6)
    points = [phase.point for phase in model.phases()]
    stacked = {name: np.stack([[p[name]] for p in points]).astype(np.float32) for name in ("W", "b")}
    count = len(points)
    trajectory = Trajectory(
        steps=np.array([0]),
        params=stacked,
        loss=np.zeros((count, 1)),
        population_loss=np.zeros((count, 1)),
        observables={},
        dataset=np.zeros(count, int),
        status=np.full(count, "ok"),
    )
    assert classification.label_trajectory(model, trajectory).label[:, 0].tolist() == list(range(count))


def test_batches_do_not_change_labels(monkeypatch):
    """More draws than a batch holds, not a multiple of it, in a stated order."""
    draws = np.random.default_rng(0).uniform(-3, 3, size=(2, 3, 2, 17))
    expected = jax.vmap(Halves().classify)({"w": draws.ravel()}).reshape(draws.shape)
    monkeypatch.setattr(classification, "BATCH", 50)
    assert np.array_equal(classification.label_draws(Halves(), ladder(draws, -np.log(17))), expected)


def test_parameters_that_are_not_finite_are_other():
    trajectory = Trajectory(
        steps=np.array([0, 1, 2]),
        params={"w": np.array([[0.0, np.nan, np.inf], [-2.0, 2.0, 0.0]])},
        loss=np.zeros((2, 3)),
        population_loss=np.zeros((2, 3)),
        observables={},
        dataset=np.zeros(2, int),
        status=np.array(["diverged at step 1", "ok"]),
    )
    assert classification.label_trajectory(Halves(), trajectory).label.tolist() == [[1, 3, 3], [0, 2, 1]]


def test_shares_visits_losses_and_switches_of_a_chain():
    chain = [[[[-2.0, -2.0, 2.0, -2.0, 0.0]]]]
    seen = label_ladder(Halves(), ladder(chain, -np.log(5), loss=[[[[1, 2, 3, 6, 5]]]]), ordered=True)
    np.testing.assert_allclose(seen.share[0, 0, 0], [0.6, 0.2, 0.2, 0.0])
    assert seen.visits[0, 0, 0].tolist() == [3, 1, 1, 0]
    np.testing.assert_allclose(seen.loss[0, 0, 0], [3.0, 5.0, 3.0, np.nan])
    assert seen.switches.item() == 3
    assert float(seen.floor) == pytest.approx(0.2)


def test_particles_have_no_switches():
    seen = label_ladder(Halves(), ladder([[[[-2.0, 2.0]]]], -np.log(2)), ordered=False)
    assert seen.switches.item() == -1


def test_a_grid_is_weighed_and_has_no_floor():
    weights = np.log([0.7, 0.2, 0.1])
    seen = label_ladder(Halves(), ladder([[[[-2.0, 0.0, 2.0]]]], weights), ordered=False)
    np.testing.assert_allclose(seen.share[0, 0, 0], [0.7, 0.2, 0.1, 0.0])
    assert float(seen.floor) == 0
    np.testing.assert_array_equal(occupancy_summary(seen).error, 0)


def test_free_energy_is_minus_log_evidence():
    seen = label_ladder(
        Halves(), ladder([[[[0.0, 2.0]]]], -np.log(2), log_evidence=np.array([[[-7.5]]])), ordered=False
    )
    assert seen.free_energy.item() == 7.5
    np.testing.assert_allclose(local_free_energy(seen).value[0, 0, 0, 1], 7.5 + np.log(2))


def test_a_failed_repeat_is_missing_and_not_a_share_of_other():
    draws = np.array([[[[-2.0, -2.0], [np.nan, 0.0]]]])
    seen = label_ladder(Halves(), ladder(draws, -np.log(2)), ordered=False)
    assert np.isnan(seen.share[0, 0, 1]).all()
    np.testing.assert_allclose(occupancy_summary(seen).mean, [[1.0, 0, 0, 0]])


def test_a_family_holds_what_its_phases_hold():
    facts = classification.phase_facts(Halves())
    original = dataclasses.replace(
        occupancy([[[[0.3, 0.1, 0.6, 0.0]]]]), loss=np.array([[[[1.0, 2.0, 0.2, np.nan]]]])
    )
    names, merged = merge_families(original, facts)
    assert names == ("low-family", "right", "other")
    np.testing.assert_allclose(merged.share[0, 0, 0], [0.4, 0.6, 0.0])
    assert merged.visits[0, 0, 0].tolist() == [40, 60, 0]
    np.testing.assert_allclose(merged.loss[0, 0, 0], [1.25, 0.2, np.nan])
    assert merged.switches.item() == -1


def test_families_of_one_phase_each_change_nothing():
    facts = tuple(dataclasses.replace(f, family=f.name) for f in classification.phase_facts(Halves()))
    original = occupancy([[[[0.3, 0.1, 0.6, 0.0]]]])
    names, merged = merge_families(original, facts)
    assert names == ("left", "middle", "right", "other")
    np.testing.assert_allclose(merged.share, original.share)
    assert merged.switches.item() == 3


def test_a_path_reads_as_families():
    path = classification.PhasePath(steps=np.arange(5), label=np.array([[0, 1, 2, 3, 0]]))
    names, merged = merge_path(path, classification.phase_facts(Halves()))
    assert [names[i] for i in merged.label[0]] == ["low-family", "low-family", "right", "other", "low-family"]


def test_an_unvisited_phase_has_a_flagged_lower_bound():
    local = local_free_energy(occupancy([[[[0.5, 0.5, 0.0, 0.0]]]], free_energy=10.0, floor=0.01))
    np.testing.assert_allclose(local.value[0, 0, 0], 10 - np.log([0.5, 0.5, 0.01, 0.01]))
    assert local.bound[0, 0, 0].tolist() == [False, False, True, True]
    exact = local_free_energy(occupancy([[[[1.0, 0.0, 0.0, 0.0]]]], floor=0.0))
    assert exact.value[0, 0, 0, 1] == np.inf
    assert exact.bound[0, 0, 0, 1]
    unknown = local_free_energy(occupancy([[[[1.0, 0.0, 0.0, 0.0]]]], free_energy=np.nan))
    assert np.isnan(unknown.value).all()


def test_the_error_over_data_sets_is_the_scatter_of_their_means():
    """Planted: data sets scatter by 0.05, repeats by 0.02; the mean of 6 x 4 scatters as the error says."""
    rng = np.random.default_rng(1)
    means, errors = [], []
    for _ in range(400):
        level = 0.4 + 0.05 * rng.normal(size=(6, 1, 1)) + 0.02 * rng.normal(size=(6, 1, 4))
        summary = occupancy_summary(occupancy(np.stack([level, 1 - level], axis=-1)))
        means.append(summary.mean[0, 0])
        errors.append(summary.error[0, 0])
    truth = np.sqrt((0.05**2 + 0.02**2 / 4) / 6)
    assert np.std(means) == pytest.approx(truth, rel=0.1)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(truth, rel=0.05)


def test_the_error_of_one_data_set_is_the_scatter_of_repeats():
    summary = occupancy_summary(occupancy([[[[0.2, 0.8], [0.4, 0.6], [np.nan, np.nan]]]]))
    np.testing.assert_allclose(summary.mean, [[0.3, 0.7]])
    np.testing.assert_allclose(summary.error, [[0.1, 0.1]])
    assert "repeats" in summary.method


def test_the_error_of_a_single_sampled_repeat_is_unknown():
    assert np.isnan(occupancy_summary(occupancy([[[[0.2, 0.8]]]])).error).all()


def test_free_energy_pools_the_evidence_of_repeats_not_its_logarithm():
    """log Z of one repeat is low by half its variance; the mean of Z is not."""
    rng = np.random.default_rng(0)
    spread, truth = 0.8, 40.0
    log_evidence = -truth + rng.normal(-(spread**2) / 2, spread, size=(400, 1, 64))  # E[Z] = exp(-truth)
    shape = (*log_evidence.shape, 1)
    seen = Occupancy(
        sample_sizes=np.array([10]),
        share=np.ones(shape),
        free_energy=-log_evidence,
        visits=np.ones(shape, int),
        switches=np.full(log_evidence.shape, -1),
        loss=np.zeros(shape),
        loss_variance=np.zeros(shape),
        floor=np.asarray(0.1),
    )
    found = free_energy_summary(seen)
    assert abs(found.mean[0] - truth) < 4 * found.error[0]
    assert estimate(seen.free_energy, exact=False).mean[0] - truth > 0.9 * spread**2 / 2
    one = free_energy_summary(dataclasses.replace(seen, free_energy=-log_evidence[:1]))
    assert one.error[0] == pytest.approx(log_evidence[0].std(ddof=1) / 8, rel=1e-6)


def test_a_draw_without_weight_has_no_say_in_a_phases_loss_or_its_variance():
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.log([[[[0.5, 0.5, 0.0]]]])
        seen = label_ladder(
            Halves(), ladder([[[[-2.0, -3.0, -4.0]]]], weights, [[[[0.1, 0.2, np.inf]]]]), ordered=False
        )
    assert seen.loss[0, 0, 0, 0] == pytest.approx(0.15)
    assert seen.loss_variance[0, 0, 0, 0] == pytest.approx(0.0025)


def test_the_variance_of_a_family_is_that_of_all_its_draws():
    rng = np.random.default_rng(0)
    draws, loss = np.repeat([-2.0, 0.0], 50)[None, None, None], rng.normal(np.repeat([1.0, 0.5], 50), 0.1)
    occupancy = label_ladder(Halves(), ladder(draws, np.log(1 / 100), loss[None, None, None]), ordered=False)
    _, merged = merge_families(occupancy, classification.phase_facts(Halves()))
    assert merged.loss[0, 0, 0, 0] == pytest.approx(loss.mean())
    assert merged.loss_variance[0, 0, 0, 0] == pytest.approx(loss.var())
