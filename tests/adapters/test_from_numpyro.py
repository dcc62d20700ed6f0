"""numpyro programs as models: their densities are numpyro's own, and what is no model is refused in words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.infer.util import potential_energy

from slt.adapters.numpyro_model import NumpyroModel
from slt.errors import ConfigError
from tests.adapters import programs

HERE = "tests.adapters.programs"


def model(program, data="TABLE", **options):
    return NumpyroModel(
        program=f"{HERE}.{program}", data=None if data is None else f"{HERE}.{data}", **options
    )


def test_prior_and_losses_sum_to_numpyros_potential_energy():
    rich = model("rich", "draw")
    rows = rich.sample(jax.random.key(0), 7)
    for seed in range(3):
        w = rich.sample_prior(jax.random.key(seed))
        assert w.keys() == {"slope", "scale", "top", "net.share"}
        by_site = {"net/share" if name == "net.share" else name: leaf for name, leaf in w.items()}
        expected = potential_energy(programs.rich, (), rows, by_site)
        assert jnp.sum(rich.losses(w, rows)) - rich.log_prior(w) == pytest.approx(float(expected), rel=1e-12)


def test_losses_are_of_single_rows_and_count_factors():
    rich = model("rich", "draw")
    rows, w = rich.sample(jax.random.key(0), 6), rich.sample_prior(jax.random.key(1))
    values = rich.constrained(w)
    mean = rows["x"] @ values["slope"] + values["top"]
    expected = -jax.scipy.stats.norm.logpdf(rows["y"], mean, values["scale"])
    expected += values["net/share"][0] * rows["x"][:, 0] ** 2
    np.testing.assert_allclose(rich.losses(w, rows), expected, rtol=1e-12)


def test_the_prior_of_unconstrained_parameters_is_normalized():
    """Its integral, where one site's support depends on another: heavier tails than a Gaussian's on both axes."""
    nested = NumpyroModel(program=f"{HERE}.nested_supports", data=f"{HERE}.ONLY_Y")
    scale, top = np.linspace(-25, 4, 600), np.linspace(-35, 35, 600)
    density = jax.jit(
        jax.vmap(jax.vmap(lambda s, t: nested.log_prior({"scale": s, "top": t}), (None, 0)), (0, None))
    )
    total = np.exp(density(scale, top)).sum() * (scale[1] - scale[0]) * (top[1] - top[0])
    assert total == pytest.approx(1.0, abs=1e-6)


def test_prior_draws_have_the_programs_distribution():
    draws = jax.vmap(model("coin", None, truth={"p": 0.3}).sample_prior)(
        jax.random.split(jax.random.key(0), 4000)
    )
    p = np.sort(jax.nn.sigmoid(draws["p"]))  # Beta(1, 1): uniform
    assert np.abs(p - (np.arange(4000) + 0.5) / 4000).max() < 1.63 / np.sqrt(4000)  # Kolmogorov, 1 %


def test_the_program_draws_its_own_data_at_the_truth():
    coin = model("coin", None, truth={"p": 0.3})
    heads = coin.sample(jax.random.key(0), 4000)["heads"]
    assert abs(float(jnp.mean(heads)) - 0.3) < 4 * np.sqrt(0.21 / 4000)
    rich = model(
        "rich", "inputs", truth={"slope": [1.0, 2.0], "scale": 0.5, "top": 0.1, "net/share": [0.2, 0.3, 0.5]}
    )
    rows = rich.sample(jax.random.key(0), 4000)
    left = rows["y"] - rows["x"] @ np.array([1.0, 2.0]) - 0.1
    assert abs(float(jnp.std(left)) - 0.5) < 4 * 0.5 / np.sqrt(8000)


def test_observables_are_deterministic_sites_free_of_data_or_else_latent_ones():
    coin = model("coin", None, truth={"p": 0.3})
    assert coin.observables({"p": jnp.array(0.0)}) == {"odds": pytest.approx(1.0)}
    line = model("line")
    assert line.observables({"slope": jnp.array(2.0)}) == {"slope": 2.0}
    assert set(model("rich").observables(model("rich").sample_prior(jax.random.key(0)))) == {
        "|slope|", "scale", "top", "|net.share|",
    }  # fmt: skip


def test_init_is_a_prior_draw_or_small_in_unconstrained_space():
    key = jax.random.key(0)
    assert jax.tree.all(
        jax.tree.map(jnp.array_equal, model("rich").init(key), model("rich").sample_prior(key))
    )
    small = model("rich", init_scale=1e-3).init(key)
    assert all(jnp.abs(leaf).max() < 0.01 for leaf in small.values())


def test_equal_options_are_one_model_whatever_they_were_written_as():
    assert model("coin", None, truth={"p": 0.3}) == model("coin", None, truth=(("p", 0.3),))
    assert hash(model("coin", None, truth={"p": 0.3})) == hash(model("coin", None, truth={"p": 0.3}))


def test_it_names_the_modules_it_rests_on():
    assert model("line").modules() == (HERE,)


WRONG = [
    (("no_such",), "has no 'no_such'"),
    (("not_a_function",), "must be a function"),
    (("nothing_observed",), "observes nothing"),
    (("nothing_latent",), "no latent site"),
    (("latent_rows",), "one value for each observation"),
    (("discrete",), "is discrete"),
    (("with_param",), "param site 'm'"),
    (("subsampled",), "subsamples"),
    (("fixed_plate",), "fails on"),
    (("joint",), "one log probability for all rows"),
    (("square",), "log probabilities of shape (5, 5)"),
    (("global_factor",), "one log probability for all rows"),
    (("coupled",), "depends on the others"),
    (("empirical_prior",), "the prior depends on the data"),
    (("improper",), "fails on"),
    (("scaled_prior",), "is scaled"),
    (("line", "ONLY_X"), "observes nothing of x"),
    (("hidden_rows", "ONLY_X"), "the data lack it"),
    (("line", "not_nested"), "whatever n is"),
    (("line", "not_jax"), "fails on"),
    (("line", "not_a_function"), "must be a function of (key, n) or a mapping"),
    (("coin", "TABLE"), "takes heads, n; the data give x, y"),
    (("line", None), "data must be given, or truth"),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[" ".join(map(str, words)) for words, _ in WRONG])
def test_what_is_no_model_is_refused_in_words(words, message):
    with pytest.raises(ConfigError) as refused:
        model(*words)
    assert message in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 3


UNTRUE = [
    (("line", "inputs", {"slop": 1.0}), "Did you mean 'slope'"),
    (("line", "inputs", {"slope": [1.0, 2.0]}), "must have shape ()"),
    (("rich", "inputs", {"slope": [1.0, 2.0]}), "gives no value of 'scale'"),
    (("other_site", "inputs", {"m": 1.0}), "call the argument that observes it 'obs'"),
    (("line", "TABLE", {"slope": 1.0}), "nothing left to draw"),
    (("no_rows_in", None, {"m": 1.0}), "let it take n"),
    (("line", "inputs", 3), "truth must give each latent site its value"),
    (("line", "inputs", {"slope": "steep"}), "truth must hold numbers"),
    (("coin", None, {"p": 1.5}), "outside the support"),
]


@pytest.mark.parametrize(("words", "message"), UNTRUE, ids=[str(words) for words, _ in UNTRUE])
def test_a_truth_that_does_not_fit_is_refused_in_words(words, message):
    program, data, truth = words
    with pytest.raises(ConfigError) as refused:
        model(program, data, truth=truth)
    assert message in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 3
