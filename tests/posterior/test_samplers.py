"""Every sampler against exact answers: the conjugate model and an asymmetric pair of modes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from scripts.linear_gaussian import LinearGaussian
from slt.models.base import as_model
from slt.posterior import paths, population, tempering
from slt.posterior.data_tempering import DataTempering
from slt.posterior.nuts import NUTS
from slt.posterior.smc import SMC
from slt.posterior.targets import potential, prefix_weights
from slt.records.base import OK
from slt.runtime.long_computation import drive
from tests.toys import TwoModes

NS = (5, 10, 20, 40, 60, 80, 120, 160, 240, 320, 480, 640)


@pytest.fixture(scope="module")
def conjugate():
    model = LinearGaussian(dimension=10)
    data = jax.vmap(lambda key: model.sample(key, NS[-1]))(jax.random.split(jax.random.key(0), 2))
    ladder = drive(DataTempering(particles=1024, repeats=16).stage(model, data, NS), jax.random.key(1))
    return model, data, ladder


def test_ladder_evidence_is_within_three_errors_of_the_closed_form_at_every_n(conjugate):
    model, data, ladder = conjugate
    mean = ladder.log_evidence.mean(-1)
    error = ladder.log_evidence.std(-1, ddof=1) / np.sqrt(16)
    assert np.all(error < 0.1)
    for d in range(2):
        rows = jax.tree.map(lambda leaf, d=d: leaf[d], data)
        exact = np.array([model.log_evidence(rows, n) for n in NS])
        assert np.all(np.abs(mean[d] - exact) < 3 * error[d]), (mean[d] - exact) / error[d]


def test_ladder_draws_have_the_posterior_moments(conjugate):
    model, data, ladder = conjugate
    rows = jax.tree.map(lambda leaf: leaf[0], data)
    for i, n in enumerate(NS):
        mean, covariance = model.posterior_moments(rows, n)
        spread = np.sqrt(np.diag(covariance))
        draws = (ladder.draws["w"][0, i] - mean) / spread  # (repeat, draw, dimension), standardized
        center = draws.mean(axis=1)
        error = np.sqrt(np.mean(center.var(axis=0, ddof=1)) / len(center))  # pooled over dimensions
        assert error < 0.03
        assert np.all(np.abs(center.mean(axis=0)) < 4.5 * error)
        np.testing.assert_allclose(draws.var(axis=1).mean(axis=0), 1.0, atol=0.08)


def test_ladder_compiles_once_for_all_sample_sizes():

    model = LinearGaussian(dimension=3)
    data = jax.vmap(lambda key: model.sample(key, 64))(jax.random.split(jax.random.key(0), 1))

    def compiled():
        return tempering._reweight._cache_size() + tempering._move._cache_size()

    before = compiled()
    ladder = drive(
        DataTempering(particles=64, repeats=2).stage(model, data, (1, 4, 16, 64)), jax.random.key(1)
    )
    assert compiled() - before == 2  # one to reweight, one to move
    assert ladder.loss.shape == (1, 4, 2, 64)
    np.testing.assert_allclose(np.exp(ladder.log_weights).sum(-1), 1.0)


@as_model
class Thinned(LinearGaussian):
    """Its coreset is a poor one: the first of its observations, each counted several times."""

    def coreset(self, data, weights, rows):
        kept = jnp.arange(len(weights)) < rows
        return data, jnp.where(kept, jnp.sum(weights) / rows, 0.0)


@pytest.mark.parametrize(
    ("kind", "sample_sizes", "stops"),
    [
        (LinearGaussian, (40, 60, 90), ((40, False), (50, False), (60, False), (90, False))),
        (Thinned, (40, 60, 90), ((40, False), (60, True), (60, False), (90, True), (90, False))),
        (Thinned, (90,), ((90, True), (90, False))),
    ],
)
def test_where_observations_are_many_populations_stop_on_their_way(monkeypatch, kind, sample_sizes, stops):
    model = kind(dimension=3)
    data = jax.vmap(lambda key: model.sample(key, 90))(jax.random.split(jax.random.key(1), 2))
    sampler = DataTempering(particles=512, repeats=8, mcmc_steps=3)
    few = drive(sampler.stage(model, data, sample_sizes), jax.random.key(0))
    monkeypatch.setattr("slt.posterior.data_tempering.MANY", 50)
    monkeypatch.setattr("slt.posterior.data_tempering.CORESET", 50)
    stage = sampler.stage(model, data, sample_sizes)
    assert stage.stops == stops
    many = drive(stage, jax.random.key(0))
    assert many.log_evidence.shape == few.log_evidence.shape
    assert np.all(many.status == OK)
    gap = few.log_evidence.mean(axis=-1) - many.log_evidence.mean(axis=-1)
    scatter = [one.log_evidence.std(axis=-1, ddof=1) for one in (few, many)]
    assert np.all(np.abs(gap) < 4 * np.hypot(*scatter) / np.sqrt(8))
    # the same mean losses, over all observations
    rows = jax.tree.map(lambda leaf: leaf[0], data)
    for i, n in enumerate(sample_sizes):
        plain = potential(model, rows, prefix_weights(90, n))
        w = jax.tree.map(lambda leaf, i=i: jnp.asarray(leaf[0, i, 0, 0]), many.draws)
        np.testing.assert_allclose(many.loss[0, i, 0, 0], plain.loss(w), rtol=1e-12)


def test_a_path_between_sums_is_the_path_over_weighted_observations():
    model = LinearGaussian(dimension=3)
    data = model.sample(jax.random.key(1), 90)
    start, stop = (prefix_weights(90, n) for n in (50, 90))
    formed = paths.BridgePath(potential(model, data, start), potential(model, data, stop))
    plain = paths.DataPath(model, data, start, stop)
    w = model.sample_prior(jax.random.key(2))
    for phi in (0.0, 0.3, 1.0):
        a, b = (path.at(jnp.float64(phi)) for path in (formed, plain))
        for of in ("energy", "loss", "log_density"):
            np.testing.assert_allclose(getattr(a, of)(w), getattr(b, of)(w), rtol=1e-12)
    np.testing.assert_allclose(formed.increment().energy(w), plain.increment().energy(w), rtol=1e-12)


@pytest.mark.parametrize("kind", [LinearGaussian, Thinned])
def test_a_ladder_given_up_at_the_stop_between_says_how_far_it_came(monkeypatch, kind):
    monkeypatch.setattr("slt.posterior.data_tempering.MANY", 50)
    monkeypatch.setattr("slt.posterior.data_tempering.CORESET", 50)
    model = kind(dimension=3)
    data = jax.vmap(lambda key: model.sample(key, 60))(jax.random.split(jax.random.key(1), 1))
    whole = drive(DataTempering(particles=64, repeats=2).stage(model, data, (60,)), jax.random.key(0))
    spent = int(whole.info["temperatures"].max())  # on both segments
    for enough in (1, spent - 1):
        sampler = DataTempering(particles=64, repeats=2, max_temperatures=enough)
        ladder = drive(sampler.stage(model, data, (60,)), jax.random.key(0))
        assert ladder.loss.shape == (1, 1, 2, 64)
        way = np.array([float(status.rsplit(" ", 1)[1]) for status in ladder.status.ravel()])
        assert all(status.startswith("unfinished") for status in ladder.status.ravel())
        assert np.all(way < 0.5) if enough == 1 else np.all(way > (0.99 if kind is Thinned else 0.8))


def test_a_path_ends_where_the_observer_stops_it_or_at_the_limit():
    options = population.Options(32, 0.5, 2, 1, 0.3, 1, 3)
    path = paths.PriorPath(jax.tree.map(lambda leaf: leaf[None], potential(TwoModes(), None, 1e3)))
    start = tempering.initialize(TwoModes(), options, (1, 2), jax.random.key(0))
    observed = []
    stopped = tempering.run(
        path, start, options, stop=lambda now: bool(observed.append(now)) or len(observed) == 2
    )
    assert [now.temperatures for now in observed] == [1, 2]
    assert [now.mcmc_steps for now in observed] == [2, 4]  # of two kinds
    assert tempering.run(path, start, options).temperatures == 3
    again = tempering.start_path(stopped)
    assert (again.temperatures, again.mcmc_steps) == (0, 0)
    assert np.all(again.populations.phi == 0)
    np.testing.assert_array_equal(again.populations.ancestors, start.populations.ancestors)
    # shared, the repeats' temperatures are the same
    apart, shared = (tempering.advance(path, start, options, together) for together in (False, True))
    assert len(set(apart.populations.phi[0].tolist())) == 2
    assert set(shared.populations.phi[0].tolist()) == {float(apart.populations.phi.min())}


def test_ladder_is_reproducible_and_its_repeats_are_not_copies():
    model = LinearGaussian(dimension=2)
    data = jax.vmap(lambda key: model.sample(key, 20))(jax.random.split(jax.random.key(0), 1))
    run = DataTempering(particles=32, repeats=3).stage(model, data, (10, 20))
    one, two = drive(run, jax.random.key(5)), drive(run, jax.random.key(5))
    np.testing.assert_array_equal(one.draws["w"], two.draws["w"])
    assert len(np.unique(one.log_evidence[0, -1])) == 3


@pytest.mark.parametrize("sampler", [SMC(particles=2000, repeats=8), NUTS(chains=16, samples=2000)])
def test_samplers_recover_an_asymmetric_pair_of_modes(sampler):
    """A symmetric target would hide weights left behind by the last reweighting."""
    model = TwoModes() if isinstance(sampler, SMC) else TwoModes(centers=(-1.0, 1.0), widths=(0.5, 1.0))
    target = potential(model, None, 1.0)
    found = sampler(target, jax.random.key(0))
    grid = np.linspace(-30, 30, 200_001)
    density = np.exp(np.asarray(jax.vmap(lambda x: target.log_density({"w": x}))(jnp.asarray(grid))))
    step = grid[1] - grid[0]
    total = density.sum() * step
    share = np.sum(np.exp(found.log_weights) * (found.draws["w"] < 0), axis=1)
    error = share.std(ddof=1) / np.sqrt(share.size)
    assert error < 0.02
    assert abs(share.mean() - density[grid < 0].sum() * step / total) < 4 * error
    if isinstance(sampler, SMC):
        evidence = found.log_evidence
        spread = evidence.std(ddof=1) / np.sqrt(evidence.size)
        assert spread < 0.05
        assert abs(evidence.mean() - np.log(total)) < 4 * spread
        assert set(found.status) == {OK}
    else:
        assert np.all(np.isnan(found.log_evidence))
        assert found.info["r_hat"][0] < 1.05


def test_a_ladder_by_nuts_is_right_on_the_conjugate_model():
    model = LinearGaussian(dimension=3)
    data = jax.vmap(lambda key: model.sample(key, 50))(jax.random.split(jax.random.key(0), 2))
    ladder = drive(NUTS(chains=4, samples=1000).stage(model, data, (10, 50)), jax.random.key(1))
    assert ladder.draws["w"].shape == (2, 2, 4, 1000, 3)
    for d in range(2):
        for i, n in enumerate((10, 50)):
            rows = jax.tree.map(lambda leaf, d=d: leaf[d], data)
            mean, covariance = model.posterior_moments(rows, n)
            chains = ladder.draws["w"][d, i].mean(axis=1)
            np.testing.assert_allclose(
                chains.mean(axis=0), mean, atol=0.1 * np.sqrt(np.diag(covariance).max()) * 3
            )
            np.testing.assert_allclose(
                ladder.draws["w"][d, i].reshape(-1, 3).var(axis=0), np.diag(covariance), rtol=0.15
            )


def test_population_ladder_takes_the_population_loss():
    model = TwoModes()
    ladder = drive(DataTempering(particles=500, repeats=4).stage(model, None, (1, 3)), jax.random.key(0))
    assert ladder.loss.shape == (1, 2, 4, 500)
    w = ladder.draws["w"][0, 1].ravel()
    expected = jax.vmap(lambda w: model.population_loss({"w": w}))(jnp.asarray(w))
    np.testing.assert_allclose(ladder.loss[0, 1].ravel(), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SMC(particles=1), "particles must be at least 4, not 1"),
        (lambda: DataTempering(repeats=0), "repeats must be at least 1"),
        (lambda: SMC(target_ess=1.0), "target_ess must lie strictly between 0 and 1"),
        (lambda: NUTS(chains=0), "chains must be at least 1"),
        (lambda: NUTS(target_acceptance=1.5), "target_acceptance"),
    ],
)
def test_impossible_options_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_failures_are_named_on_the_record():
    model = LinearGaussian(dimension=2)
    data = model.sample(jax.random.key(0), 50)
    target = potential(model, data, prefix_weights(50, 50))
    unfinished = SMC(particles=50, repeats=2, max_temperatures=1)(target, jax.random.key(0))
    assert all(status.startswith("unfinished") for status in unfinished.status)
    broken = jax.tree.map(lambda leaf: leaf * jnp.nan, data)
    diverged = SMC(particles=50, repeats=2, max_temperatures=3)(
        potential(model, broken, prefix_weights(50, 50)), jax.random.key(0)
    )
    assert all(status.startswith("not finite") for status in diverged.status)
    apart = TwoModes(share=0.05, centers=(-9.0, 9.0), widths=(0.5, 0.5))
    chains = NUTS(chains=6, warmup=100, samples=100)(potential(apart, None, 1.0), jax.random.key(2))
    assert all(status.startswith("not mixed") for status in chains.status)
