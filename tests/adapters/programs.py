"""numpyro programs, right and wrong ones, and data for them."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

X = np.random.default_rng(0).normal(size=(40, 2))
TABLE = {"x": X, "y": X @ [1.0, -1.0]}
ONLY_X = {"x": X}
ONLY_Y = {"y": X[:, 0]}


def draw(key, n):
    x, noise = jax.random.split(key)
    x = jax.random.normal(x, (n, 2))
    return {"x": x, "y": x[:, 0] + jax.random.normal(noise, (n,))}


def inputs(key, n):
    return {"x": jax.random.normal(key, (n, 2))}


def not_nested(key, n):
    return {"x": jax.random.normal(key, (n, 2)) * n, "y": jnp.zeros(n)}


def not_jax(key, n):
    return {"x": np.random.default_rng(int(key[0])).normal(size=(n, 2)), "y": np.zeros(n)}


def rich(x, y=None):
    """Several latent sites, constrained, one support inside another's, a factor, and a site in a folder."""
    slope = numpyro.sample("slope", dist.Normal(0, 2).expand([2]).to_event(1))
    scale = numpyro.sample("scale", dist.HalfCauchy(1.0))
    top = numpyro.sample("top", dist.Uniform(0.0, scale))
    share = numpyro.sample("net/share", dist.Dirichlet(jnp.array([1.0, 2.0, 3.0])))
    with numpyro.plate("rows", x.shape[0]):
        numpyro.sample("y", dist.Normal(x @ slope + top, scale), obs=y)
        numpyro.factor("extra", -share[0] * x[:, 0] ** 2)


def nested_supports(y=None):
    scale = numpyro.sample("scale", dist.HalfNormal(1.0))
    numpyro.sample("top", dist.Uniform(0.0, scale))
    numpyro.sample("y", dist.Normal(scale, 1.0).expand(jnp.shape(y)), obs=y)


def coin(heads=None, n=None):
    p = numpyro.sample("p", dist.Beta(1.0, 1.0))
    numpyro.deterministic("odds", p / (1 - p))
    with numpyro.plate("rows", n if heads is None else len(heads)):
        numpyro.sample("heads", dist.Bernoulli(p), obs=heads)


def line(x, y=None):
    slope = numpyro.sample("slope", dist.Normal(0, 1))
    numpyro.deterministic("of data", jnp.mean(x))
    numpyro.sample("y", dist.Normal(slope * x[:, 0], 1.0), obs=y)


def no_rows_in(y=None):
    numpyro.sample("y", dist.Normal(numpyro.sample("m", dist.Normal(0, 1)), 1.0), obs=y)


# -- wrong ones ---------------------------------------------------------------------------------------------------
def nothing_observed(x, y):
    numpyro.sample("m", dist.Normal(0, 1))


def nothing_latent(x, y):
    numpyro.sample("obs", dist.Normal(0, 1).expand(y.shape), obs=y)


def latent_rows(x, y):
    with numpyro.plate("rows", len(y)):
        z = numpyro.sample("z", dist.Normal(0, 1))
        numpyro.sample("obs", dist.Normal(z, 1), obs=y)


def hidden_rows(x, y=None):
    m = numpyro.sample("m", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(m * x[:, 0], 1), obs=y)
    numpyro.factor("extra", x[:, 0])


def discrete(x, y):
    k = numpyro.sample("k", dist.Bernoulli(0.5))
    numpyro.sample("obs", dist.Normal(k * jnp.ones_like(y), 1), obs=y)


def with_param(x, y):
    m = numpyro.param("m", 0.0)
    numpyro.sample("s", dist.Normal(0, 1))
    numpyro.sample("obs", dist.Normal(m + jnp.zeros_like(y), 1), obs=y)


def subsampled(x, y):
    m = numpyro.sample("m", dist.Normal(0, 1))
    with numpyro.plate("rows", len(y), subsample_size=2) as some:
        numpyro.sample("obs", dist.Normal(m, 1), obs=y[some])


def fixed_plate(x, y):
    m = numpyro.sample("m", dist.Normal(0, 1))
    with numpyro.plate("rows", 40):
        numpyro.sample("obs", dist.Normal(m, 1), obs=y)


def joint(x, y):
    m = numpyro.sample("m", dist.Normal(0, 1))
    numpyro.sample("obs", dist.Normal(m + jnp.zeros_like(y), 1).to_event(1), obs=y)


def square(x, y):
    m = numpyro.sample("m", dist.Normal(0, 1))
    numpyro.sample("obs", dist.Normal(m + jnp.zeros_like(y)[:, None], 1), obs=y)


def global_factor(x, y):
    m = numpyro.sample("m", dist.Normal(0, 1))
    numpyro.factor("prior", -(m**2))
    numpyro.sample("obs", dist.Normal(m + jnp.zeros_like(y), 1), obs=y)


def coupled(x, y):
    m = numpyro.sample("m", dist.Normal(0, 1))
    numpyro.sample("obs", dist.Normal(m * (x[:, 0] - x[:, 0].mean()), 1), obs=y)


def empirical_prior(x, y):
    m = numpyro.sample("m", dist.Normal(0, jnp.std(x)))
    numpyro.sample("obs", dist.Normal(m + jnp.zeros_like(y), 1), obs=y)


def improper(x, y):
    m = numpyro.sample("m", dist.ImproperUniform(dist.constraints.real, (), ()))
    numpyro.sample("obs", dist.Normal(m + jnp.zeros_like(y), 1), obs=y)


def scaled_prior(x, y):
    with numpyro.handlers.scale(scale=0.5):
        m = numpyro.sample("m", dist.Normal(0, 1))
    numpyro.sample("obs", dist.Normal(m + jnp.zeros_like(y), 1), obs=y)


def other_site(x, y=None):
    m = numpyro.sample("m", dist.Normal(0, 1))
    numpyro.sample("obs", dist.Normal(m + 0 * x[:, 0], 1), obs=y)


not_a_function = 3
