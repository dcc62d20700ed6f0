"""flax networks as models: their losses by hand, both kinds of module, and what is refused in words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from slt.adapters.flax_model import FlaxModel
from slt.llc import trajectory

HERE = "tests.adapters.networks"


def model(module="Mlp", data="CLASSES", loss="cross_entropy", **options):
    own = loss if loss in ("squared", "cross_entropy") or "." not in loss else f"{HERE}{loss}"
    return FlaxModel(module=f"{HERE}.{module}", data=f"{HERE}.{data}", loss=own, **options)


def outputs(w, x, outer="outer"):
    hidden = np.tanh(x @ w["inner.kernel"] + w["inner.bias"])
    return hidden @ w[f"{outer}.kernel"] + w[f"{outer}.bias"]


@pytest.mark.parametrize(
    ("module", "outer"), [("Mlp", "outer"), ("NnxMlp", "layers.0"), ("nnx_made", "layers.0")]
)
def test_linen_and_nnx_compute_what_their_parameters_say(module, outer):
    net = model(module)
    w, rows = net.sample_prior(jax.random.key(0)), net.sample(jax.random.key(1), 10)
    assert set(w) == {"inner.kernel", "inner.bias", f"{outer}.kernel", f"{outer}.bias"}
    logits = outputs(w, rows["x"], outer)
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(10), rows["y"]]
    np.testing.assert_allclose(net.losses(w, rows), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("module", "data"), [("Mlp", "DOUBLES"), ("scalar", "SCALARS"), ("scalar", "TARGETS")]
)
def test_squared_loss_is_a_gaussian_likelihood(module, data):
    net = model(module, data, "squared", noise=0.5)
    w, rows = net.sample_prior(jax.random.key(0)), net.sample(jax.random.key(1), 10)
    apart = outputs(w, rows["x"]) - np.asarray(rows["y"]).reshape(10, -1)
    np.testing.assert_allclose(net.losses(w, rows), (apart**2).sum(axis=1) / (2 * 0.5**2), rtol=1e-12)


def test_a_loss_of_ones_own_sees_one_observation():
    net = model("scalar", "SCALARS", ".absolute")
    w, rows = net.sample_prior(jax.random.key(0)), net.sample(jax.random.key(1), 10)
    np.testing.assert_allclose(
        net.losses(w, rows), np.abs(outputs(w, rows["x"])[:, 0] - rows["y"]), rtol=1e-12
    )
    assert net.modules() == (HERE,)


@pytest.mark.parametrize("module", ["Mlp", "NnxMlp"])
def test_sgd_starts_where_the_network_does_times_a_scale(module):
    keys = jax.random.split(jax.random.key(0), 2)
    one, other = (model(module).init(key) for key in keys)
    assert not np.array_equal(one["inner.kernel"], other["inner.kernel"])
    assert not np.any(one["inner.bias"])  # flax's default
    scaled = model(module, init_scale=0.1).init(keys[0])
    np.testing.assert_allclose(scaled["inner.kernel"], 0.1 * one["inner.kernel"], rtol=1e-7)


def test_observables_are_watched_or_the_norm():
    net = model()
    w = net.sample_prior(jax.random.key(0))
    norm = np.sqrt(sum(np.sum(np.asarray(leaf) ** 2) for leaf in w.values()))
    assert net.observables(w)["norm"] == pytest.approx(norm, rel=1e-12)
    assert model(watch=f"{HERE}.watch").observables(w) == {"bias": w["inner.bias"][0]}


def test_learning_coefficients_can_be_refined_to_a_layers_weights():
    net = model()
    w = net.sample_prior(jax.random.key(0))
    flat = np.asarray(jax.flatten_util.ravel_pytree(w)[0])
    chosen = trajectory.selected_entries(net, ("inner.kernel",))
    np.testing.assert_array_equal(np.sort(flat[list(chosen)]), np.sort(np.ravel(w["inner.kernel"])))


WRONG = [
    ({"module": "Nothing"}, "has no 'Nothing'"),
    ({"module": "two_arguments"}, "not width, depth"),
    ({"module": "not_a_module"}, "must return a module of flax"),
    ({"module": "nnx_without_rngs"}, "must take rngs"),
    ({"module": "Normalized"}, "batch_stats"),
    ({"module": "NnxNormalized"}, "BatchStat"),
    ({"module": "Dropped"}, "random numbers (dropout)"),
    ({"module": "Still"}, "no parameters"),
    ({"module": "Pair"}, "must give one array"),
    ({"module": "NnxDropped"}, "RngKey"),
    ({"module": "Centered"}, "depends on the others"),
    ({"module": "Single"}, "leave dtype unset"),
    ({"module": "Wide"}, "fails on"),
    ({"data": "NO_X"}, "must hold x"),
    ({"data": "NO_Y"}, "must hold y"),
    ({"data": "THREE"}, "classes are 0 to 1"),
    ({"data": "TARGETS"}, "whole-number y"),
    ({"module": "scalar"}, "logits (n, classes >= 2)"),
    ({"data": "SCALARS", "loss": "squared"}, "their sizes must agree"),
    ({"loss": "crossentropy"}, "Did you mean 'cross_entropy'"),
    ({"loss": ".of_wrong_shape"}, "one number for an observation"),
    ({"watch": f"{HERE}.watch_arrays"}, "names to scalars"),
    ({"prior_scale": 0.0}, "prior_scale must be a positive number"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[str(options) for options, _ in WRONG])
def test_what_is_no_model_is_refused_in_words(options, message):
    with pytest.raises(ValueError) as refused:  # noqa: PT011  (the message is what is looked at)
        model(**options)
    assert message in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 3


def test_float32_in_is_float32_out():
    net = model()
    w = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), net.init(jax.random.key(0)))
    rows = {"x": jnp.zeros((4, 2), jnp.float32), "y": jnp.zeros(4, int)}
    assert net.losses(w, rows).dtype == jnp.float32
