"""Crafted wells: the shape that is promised, the lambdas that follow from it, and the three presets' pictures."""

import dataclasses
import itertools
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from slt.models.base import phase_names
from slt.models.crafted import Crafted
from slt.posterior.quadrature import Quadrature
from slt.posterior.smc import SMC
from slt.posterior.targets import potential
from tests.models.test_conformance import load

CONFIGS = Path(__file__).parents[2] / "configs" / "model"
WELLS = {
    "positions": (0.5, -1.0, 3.0),
    "heights": (0.2, 0.1, 0.0),
    "curvatures": (100.0, 60.0, 5.0),
    "orders": (2, 4, 8),
    "plateau": 1.0,
}


def preset(name):
    return load(CONFIGS / f"crafted_{name}.yaml")


def shares(model, n):
    """Posterior probability of each phase, then of "other", at n observations."""
    posterior = Quadrature()(potential(model, None, n), jax.random.key(0))
    assert posterior.status[0] == "ok"
    label = np.asarray(jax.vmap(model.classify)({"w": posterior.draws["w"][0]}))
    return np.bincount(label, np.exp(posterior.log_weights[0]), len(phase_names(model)))


def crossing(model, source, target, low, high):
    """The n at which two phases have equal shares, by bisection."""
    while high - low > 0.5:
        middle = (low + high) / 2
        share = shares(model, middle)
        low, high = (low, middle) if share[target] > share[source] else (middle, high)
    return (low + high) / 2


def predicted(model, source, target, low, high):
    """The n at which n L + lambda log n - log prior is equal for two phases, by bisection."""
    one, two = model.phases()[source], model.phases()[target]
    while high - low > 0.5:
        n = (low + high) / 2
        gain = n * (one.loss - two.loss) + (one.llc - two.llc) * math.log(n) + two.log_prior - one.log_prior
        low, high = (low, n) if gain > 0 else (n, high)
    return (low + high) / 2


# -- the shape ------------------------------------------------------------------------------------------------


def test_the_lower_half_of_every_well_is_the_bare_monomial():
    model = Crafted(**WELLS)
    for p, h, c, k, d, r in zip(
        model.positions, model.heights, model.curvatures, model.orders, model.depths, model.radii, strict=True
    ):
        x = p + 0.5 ** (1 / k) * r * np.linspace(-1, 1, 101)
        bare = h + c * (x - p) ** k / k
        assert bare.max() == pytest.approx(h + d / 2)
        np.testing.assert_allclose(jax.vmap(model.population_loss)({"w": x}), bare, rtol=0, atol=1e-14)


def test_outside_the_wells_the_loss_is_the_plateau_and_flat():
    model = Crafted(**WELLS)
    for x in (-1e6, -3.0, -0.2, 1.0, 1e6):
        value, gradient = jax.value_and_grad(model.population_loss)({"w": jnp.asarray(x)})
        assert value == pytest.approx(model.plateau, rel=1e-15)
        assert gradient["w"] == 0


def test_loss_rises_all_the_way_up_with_continuous_slope_and_bend():
    model = Crafted(**WELLS)
    slope = jax.grad(lambda x: model.population_loss({"w": x}))
    slopes = jax.jit(jax.vmap(lambda x: (slope(x), jax.grad(slope)(x))))
    for p, c, k, r in zip(model.positions, model.curvatures, model.orders, model.radii, strict=True):
        rising = p + r * np.linspace(1e-3, 1 - 1e-3, 2001)
        joints = p + r * np.array([-1, 1, -(0.5 ** (1 / k)), 0.5 ** (1 / k)])
        first, second = slopes(np.concatenate([rising, joints - 1e-9, joints + 1e-9]))
        assert np.all(first[:2001] > 0)
        assert np.max(first[:2001]) < 1.5 * c * r ** (k - 1)
        np.testing.assert_allclose(first[2001:2005], first[2005:], atol=1e-6 * c * r ** (k - 1))
        np.testing.assert_allclose(second[2001:2005], second[2005:], atol=1e-5 * c * r ** (k - 2))


@pytest.mark.parametrize("order", [2, 4, 8])
def test_lambda_is_recovered_from_the_evidence(order):
    """-log Z(n) - n h falls like lambda log n; a wide prior makes its own bend negligible."""
    model = Crafted(
        positions=(0.0,), heights=(0.3,), curvatures=(order,), orders=(order,), plateau=1.3, prior_scale=100.0
    )
    sample_sizes = np.array([1e5, 1e7])
    free = [
        -Quadrature()(potential(model, None, n), jax.random.key(0)).log_evidence[0] - 0.3 * n
        for n in sample_sizes
    ]
    assert np.diff(free)[0] / np.diff(np.log(sample_sizes))[0] == pytest.approx(1 / order, abs=2e-6)


# -- phases and basins ----------------------------------------------------------------------------------------


def test_gradient_descent_ends_in_the_well_that_classify_names():
    model = Crafted(**WELLS)
    step = jax.jit(lambda x: x - 2e-3 * jax.vmap(jax.grad(lambda v: model.population_loss({"w": v})))(x))
    start = np.linspace(-3, 5, 401)
    end = jax.lax.fori_loop(0, 20_000, lambda _, x: step(x), jnp.asarray(start))
    label = np.asarray(jax.vmap(model.classify)({"w": start}))
    assert set(label) == {0, 1, 2, 3}
    bottoms = np.asarray(model.positions)
    for i, bottom in enumerate(bottoms):
        # A well of order k is flat at its bottom: descent comes near it like t^(-1 / (k - 2)).
        assert np.all(np.abs(end[label == i] - bottom) < 0.5 * model.radii[i])
    np.testing.assert_array_equal(end[label == 3], start[label == 3])


def test_mirrored_wells_have_copies_that_are_one_phase_with_them():
    wells = {
        "positions": (0.0, 2.0),
        "heights": (0.1, 0.0),
        "curvatures": (9.0, 8.0),
        "orders": (2, 4),
        "plateau": 1.0,
    }
    model = Crafted(**wells, mirrored=True)
    x = {"w": np.arange(-400, 401) / 100}
    loss, label = (np.asarray(jax.vmap(f)(x)) for f in (model.population_loss, model.classify))
    plain = Crafted(**wells)
    right = {"w": x["w"][400:]}
    for found, f in ((loss, plain.population_loss), (label, plain.classify)):
        np.testing.assert_array_equal(found, found[::-1])
        np.testing.assert_array_equal(found[400:], jax.vmap(f)(right))
    assert set(label) == {0, 1, 2}
    at_bottom = jax.value_and_grad(jax.grad(lambda w: model.population_loss({"w": w})))(0.0)
    assert at_bottom[0] == 0.0
    assert at_bottom[1] == pytest.approx(9.0, rel=1e-14)


@pytest.mark.parametrize("position", [0.1, -2.0])
def test_a_mirrored_well_may_not_straddle_zero_nor_lie_below_it(position):
    well = {"positions": (position,), "heights": (0.0,), "curvatures": (8.0,), "orders": (2,), "plateau": 1.0}
    with pytest.raises(ValueError, match="each must lie above 0, or have its bottom there"):
        Crafted(**well, mirrored=True)


def test_phases_carry_names_lambdas_and_prior_densities():
    model = Crafted(**WELLS, prior_scale=2.0)
    assert phase_names(model) == ("well at 0.5", "well at -1", "well at 3", "other")
    assert [phase.llc for phase in model.phases()] == [1 / 2, 1 / 4, 1 / 8]
    for phase in model.phases():
        assert phase.log_prior == pytest.approx(float(model.log_prior(phase.point)), abs=1e-13)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"orders": (2, 3, 8)}, "well at -1: an order must be an even whole number"),
        ({"orders": (2, 0, 8)}, "an order must be an even whole number"),
        ({"orders": (2, 4)}, "3 positions, 3 heights, 3 curvatures, 2 orders"),
        ({"curvatures": (100.0, 0.0, 5.0)}, "well at -1: a curvature must be positive"),
        ({"heights": (0.2, 1.0, 0.0)}, "well at -1: its bottom must lie below the plateau"),
        (
            {"curvatures": (100.0, 60.0, 1e-6)},
            "well at 0.5 reaches to .* and well at 3 from .* may not overlap",
        ),
        ({"positions": (0.5, 0.5, 3.0)}, "names must differ"),
        ({"names": ("a", "b", "other")}, "names must differ"),
        ({"positions": (0.5, math.nan, 3.0)}, "must be finite numbers"),
        ({"prior_scale": 0.0}, "prior_scale must be positive"),
        ({"init_scale": -1.0}, "init_scale not negative"),
        (
            dict.fromkeys(("positions", "heights", "curvatures", "orders"), ()),
            "there must be at least one well",
        ),
    ],
)
def test_what_is_not_a_set_of_wells_is_refused_in_plain_words(change, message):
    with pytest.raises(ValueError, match=message):
        Crafted(**{**WELLS, **change})


# -- the presets ----------------------------------------------------------------------------------------------


def test_two_bump_moves_between_10_000_and_11_000_observations():
    model = preset("two_bump")
    assert shares(model, 10_000)[1] < 0.05
    assert 0.3 < shares(model, 10_500)[1] < 0.7
    assert shares(model, 11_000)[1] > 0.6
    assert 10_000 < predicted(model, 0, 1, 1_000, 100_000) < crossing(model, 0, 1, 1_000, 100_000) < 11_000


def test_two_bump_crossing_is_late_by_the_local_volume():
    """log Z of a quadratic well is -n h - log(1 + n c) / 2 - p^2 n c / (2 (1 + n c)), exactly."""
    model = preset("two_bump")

    def free_energy(n, well):
        stiffness = n * model.curvatures[well]
        pull = model.positions[well] ** 2 * stiffness / (1 + stiffness) / 2
        return n * model.heights[well] + 0.5 * math.log1p(stiffness) + pull

    for n in (10_000, 10_500, 11_000):
        odds = math.exp(free_energy(n, 0) - free_energy(n, 1))
        assert shares(model, n)[1] == pytest.approx(odds / (1 + odds), abs=1e-8)


def test_three_wells_jump_twice():
    model = preset("three_wells")
    for n, winner, share in ((30, 0, 0.9), (850, 1, 0.9), (10_000, 2, 0.99)):
        assert shares(model, n)[winner] > share
    assert 290 < crossing(model, 0, 1, 30, 850) < 300
    assert 2_900 < crossing(model, 1, 2, 850, 10_000) < 3_000


@pytest.mark.parametrize("n", [300, 3_000])
def test_three_wells_shares_agree_with_scipy_over_each_basin(n):
    model = preset("three_wells")
    log_density = jax.jit(lambda x: potential(model, None, n).log_density({"w": x}))
    mass = []
    for p, r in zip(model.positions, model.radii, strict=True):
        edges = p + r * np.array([-1, -0.3, 0, 0.3, 1])
        pieces = [
            scipy.integrate.quad(lambda x: np.exp(log_density(x)), a, b, epsabs=0, epsrel=1e-12)[0]
            for a, b in itertools.pairwise(edges)
        ]
        mass.append(sum(pieces))
    np.testing.assert_allclose(shares(model, n)[:3], np.array(mass) / sum(mass), atol=1e-8)


def test_smc_agrees_with_quadrature_on_three_wells():
    model = preset("three_wells")
    exact = Quadrature()(potential(model, None, 300), jax.random.key(0)).log_evidence[0]
    smc = SMC(particles=512, repeats=8)(potential(model, None, 300), jax.random.key(1))
    error = smc.log_evidence.std(ddof=1) / math.sqrt(8)
    assert error < 0.1
    assert abs(smc.log_evidence.mean() - exact) < 3 * error
    label = np.asarray(jax.vmap(jax.vmap(model.classify))({"w": smc.draws["w"]}))
    share = np.stack([np.mean(label == k, axis=1) for k in range(3)], axis=1)  # (repeat, well)
    error = share.std(axis=0, ddof=1) / math.sqrt(8)
    assert np.all(error < 0.03)
    assert np.all(np.abs(share.mean(axis=0) - shares(model, 300)[:3]) < 3 * error)


@pytest.mark.parametrize("prior_scale", [1.0, 0.25])
def test_the_sharp_well_takes_over_under_a_wide_prior_and_leads_at_every_n_under_a_narrow_one(prior_scale):
    model = dataclasses.replace(preset("sharp_flat"), prior_scale=prior_scale)
    sample_sizes = np.array([1e-3, *np.geomspace(1, 1e4, 41)])
    leads = np.array([(found := shares(model, n))[0] > found[1] for n in sample_sizes])
    if prior_scale == 1.0:
        assert 300 < crossing(model, 1, 0, 100, 1_000) < 302
        np.testing.assert_array_equal(leads, sample_sizes > 301)
    else:
        assert leads.all()


def test_no_start_but_the_bottom_itself_stays_in_the_sharp_well():
    """With step 0.05 the well's lower half multiplies w by 1 - 0.05 x 48 = -1.4."""
    model = preset("sharp_flat")
    start = np.concatenate([-np.geomspace(1e-6, 0.2, 500), np.geomspace(1e-6, 0.2, 500)])
    slope = jax.grad(lambda x: model.population_loss({"w": x}))
    step = jax.vmap(lambda x: x - 0.05 * slope(x))
    half = model.radii[0] / math.sqrt(2)
    inner = start[np.abs(start) < half]
    np.testing.assert_allclose(step(inner), -1.4 * inner, rtol=1e-12)
    end = jax.lax.fori_loop(0, 2_000, lambda _, x: step(x), jnp.asarray(start))
    label = np.bincount(jax.vmap(model.classify)({"w": end}), minlength=3)
    assert label[0] == 0
    assert label[1] > 0.98 * len(start)


def test_degeneracy_alone_decides():
    model = preset("degenerate")
    assert len(set(model.heights)) == 1
    odds = [shares(model, n)[1] / shares(model, n)[0] for n in (30, 1_000, 1_000_000, 1e9, 1e10)]
    assert np.all(np.diff(odds) > 0)
    assert odds[0] < 0.4
    assert odds[2] > 12
    lambdas = [phase.llc for phase in model.phases()]
    slope = math.log(odds[4] / odds[3]) / math.log(10)
    assert slope == pytest.approx(lambdas[0] - lambdas[1], abs=2e-3)
