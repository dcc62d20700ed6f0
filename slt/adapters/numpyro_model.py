"""A numpyro program as a model: its priors and its likelihood, for SGD and for the posterior.

    _target_: slt.adapters.numpyro_model.NumpyroModel
    program: my_project.my_model # def my_model(x, y=None), with numpyro.sample and numpyro.factor in it
    data: my_project.my_data # def my_data(key, n) -> {"x": ..., "y": ...}, a mapping of arrays, or an .npz file

Or with data that the program makes itself, at known values of its latent sites:

    program: my_project.my_model
    data: my_project.my_inputs # x alone; left out where the program takes n, the number of observations
    truth: {slope: 2.0, noise: 0.5}

Parameters are the latent sites in unconstrained space, as numpyro's own samplers have them: for a site with support
S, u with theta = T(u) in S, where T is `numpyro.distributions.biject_to(S)`. The log prior is that of u,

    log p(u) = sum over sites of log p(theta | earlier sites) + log |dT / du|,

a normalized density. The loss of an observation is minus the log probability of its row in every observed site.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from slt.adapters.numpyro_program import Program, read
from slt.adapters.numpyro_simulation import simulated
from slt.adapters.user_model import Rows, Source, UserModel, check_population, modules_of, source
from slt.errors import ConfigError
from slt.models.base import Params, as_model, static
from slt.models.common.checks import check_positive
from slt.models.common.gaussian import draw_normal


@as_model
class NumpyroModel(UserModel):
    """The numpyro program at a dotted path, with data.

    Parameters {latent site: unconstrained array}, with "." for "/" in names; data {argument of the program: array},
    each (n, ...). Observables: every scalar `numpyro.deterministic` that does not depend on the data; without any,
    every scalar latent site and the norm of every other one.

    Args:
      program: dotted path to the program. It takes the arrays of the data by name. Plates over observations take
        their size from them, and every observed site has one log probability for each row.
      data: an .npz file, or a dotted path to a mapping of arrays or to a function (key, n) -> arrays. Of N rows a
        data set is the first n in an order of its own.
      truth: value of every latent site, by name. What the program then observes is drawn from it: `data` leaves
        those arrays out, and their sites are called as the arguments that observe them.
      init_scale: SGD starts at a draw of N(0, init_scale^2) in unconstrained space; null: from the prior.
      population: how many observations, drawn once, stand for the population; 0: no population loss. With one,
        phases and posteriors are found without data noise.

    Raises ConfigError for what is not of this form; it names the option.
    """

    program: str = static()
    data: str | None = static(None)
    truth: Any = static(None)
    init_scale: float | None = static(None)
    population: int = static(0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "truth", _frozen(self.truth))
        if self.init_scale is not None:
            check_positive(init_scale=self.init_scale)
        self._read()
        check_population(self.population, self.rows())

    def modules(self) -> tuple[str, ...]:
        return modules_of((self.program, self.data))

    def init(self, key: jax.Array) -> Params:
        if self.init_scale is None:
            return self.sample_prior(key)
        shapes = jax.eval_shape(self.sample_prior, key)
        return draw_normal(key, {name: leaf.shape for name, leaf in shapes.items()}, self.init_scale)

    def losses(self, w: Params, data: Rows) -> jax.Array:
        return self._read().losses(w, data)

    def log_prior(self, w: Params) -> jax.Array:
        return self._read().log_prior(w)

    def sample_prior(self, key: jax.Array) -> Params:
        return self._read().sample_prior(key)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        return self._read().observables(w)

    def constrained(self, w: Params) -> dict[str, jax.Array]:
        """The values of the program's latent and deterministic sites, by site."""
        return self._read().constrained(w)

    def rows(self) -> Source:
        given = None if self.data is None else source(self.data)
        if self.truth is not None:
            return simulated(self.program, given, self.truth)
        if given is None:
            raise ConfigError(
                "data must be given, or truth, the values at which the program draws data itself"
            )
        return given

    def _read(self) -> Program:
        return read(self.program, self.rows())


def _frozen(truth: Any) -> Any:
    """A mapping of sites to numbers or nested lists, as tuples, which hash. Raises ConfigError for anything else."""
    if truth is None or isinstance(truth, tuple):
        return truth
    if not isinstance(truth, Mapping):
        raise ConfigError(f"truth must give each latent site its value, {{site: value, ...}}, not {truth!r}")
    return tuple((str(name), _nested(value)) for name, value in truth.items())


def _nested(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_nested(item) for item in value)
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"truth must hold numbers, not {value!r}") from error
