"""Linear regression in context: a transformer reads x_1, y_1, x_2, y_2, ... and predicts each y.

    y_k = t . x_k + noise,   x_k ~ N(0, I_D),   noise ~ N(0, variance),   one task t for a whole sequence

Tasks are new draws from N(0, I_D) for every sequence, or one of M that were drawn once. Then two predictors compete,
ridge regression, which is right for all tasks, and dMMSE, which has the M memorized (`ideal_predictors`).

Sources: Garg et al. 2022 (arXiv:2208.01066) and Raventos et al. 2023 (arXiv:2306.15063) for the task and its tokens;
Hoogland et al. 2024 (arXiv:2402.02364) for the stages of its training; Carroll et al. 2025 (arXiv:2501.17745) for
a transient approach to ridge regression where M is neither small nor large.

Conventions. An observation is a whole sequence. Its loss is the sum over positions of (y_k - f_k)^2 / (2 variance),
in nats: the negative log-likelihood of Gaussian outputs less its constant. The literature's loss is the mean of
(y_k - f_k)^2 over positions, which is smaller by a factor K / (2 variance); observables are such means.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Params, as_model, static
from slt.models.common import transformer
from slt.models.common.checks import check_positive
from slt.models.common.gaussian import draw_normal, log_normal
from slt.models.common.sequence_base import SequenceModel
from slt.models.common.transformer import Transformer
from slt.models.drawing import Drawing
from slt.models.icl_linear_regression import ideal_predictors

PROBE = 256  # sequences on which observables are computed
FAR = 3.0  # times as large are inputs that no network was trained on
SLICES = ("all", "early", "late", "first", "last")


class Sequences(NamedTuple):
    """Observations: x (n, length, dimension), y (n, length)."""

    x: jax.Array
    y: jax.Array


@as_model
class ICLLinearRegression(SequenceModel):
    """A decoder-only transformer (`slt.models.common.transformer`) that regresses in context, under the prior
    N(0, prior_scale^2) on every parameter.

    Args:
      dimension: D, of inputs and tasks.
      length: K, pairs in a sequence, at least 2.
      tasks: M, how many tasks there are, each as likely; 0: a new one for every sequence. Fewer tasks are the first
        of more.
      task_seed: which tasks, where there are finitely many.
      variance: of the noise.
      input_scale: standard deviation of inputs.
      width, heads, layers, neurons: of the network; without neurons it is attention only.
      slice: the positions that losses count: "all"; "early", the first half of them, and "late", the others; "first",
        before any pair of the task, and "last". Data are the same, and so is the network.
      prior_scale: standard deviation of the prior.
      population: see `SequenceModel`.

    Raises ValueError for options that are not of this form.
    """

    dimension: int = static(4)
    length: int = static(8)
    tasks: int = static(0)
    task_seed: int = static(0)
    variance: float = static(0.125)
    input_scale: float = static(1.0)
    width: int = static(32)
    heads: int = static(4)
    layers: int = static(2)
    neurons: int = static(128)
    slice: str = static("all")
    prior_scale: float = static(1.0)
    population: int = static(1024)

    def __post_init__(self) -> None:
        check_positive(variance=self.variance, input_scale=self.input_scale, prior_scale=self.prior_scale)
        least = {"dimension": 1, "length": 2, "tasks": 0, "task_seed": 0, "neurons": 0, "population": 0}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, not {getattr(self, name)}")
        transformer.check_shape(self.width, self.heads, self.layers)
        if self.slice not in SLICES:
            raise ValueError(f"slice must be one of {', '.join(SLICES)}, not {self.slice!r}")

    # -- data -------------------------------------------------------------------------------------------
    def sample(self, key: jax.Array, n: int) -> Sequences:
        of_task, of_x, of_noise = jax.random.split(key, 3)
        x = self.input_scale * jax.random.normal(of_x, (n, self.length, self.dimension))
        noise = self.variance**0.5 * jax.random.normal(of_noise, (n, self.length))
        if self.tasks:
            task = jnp.asarray(self.table)[jax.random.randint(of_task, (n,), 0, self.tasks)]
        else:
            task = jax.random.normal(of_task, (n, self.dimension))
        return Sequences(x, jnp.einsum("nkd,nd->nk", x, task) + noise)

    @property
    def table(self) -> np.ndarray:
        """(tasks, dimension) all the tasks there are, where they are finitely many."""
        return np.random.default_rng(self.task_seed).standard_normal((self.tasks, self.dimension))

    # -- the network ------------------------------------------------------------------------------------
    @property
    def network(self) -> Transformer:
        return Transformer(
            self.width, self.heads, self.layers, self.neurons, length=2 * self.length - 1, outputs=1, every=2
        )

    def init(self, key: jax.Array) -> Params:
        return transformer.start(self.network, self.dimension + 1, key)

    def tokens(self, data: Sequences) -> jax.Array:
        """(n, 2 length - 1, dimension + 1): [0, x_1], [y_1, 0], ..., [0, x_K]. After y_K nothing is predicted, so it
        is no token."""
        x = jnp.pad(data.x, ((0, 0), (0, 0), (1, 0)))
        y = jnp.pad(data.y[..., None], ((0, 0), (0, 0), (0, self.dimension)))
        return jnp.stack([x, y], axis=2).reshape(x.shape[0], 2 * self.length, -1)[:, :-1]

    def predictions(self, w: Params, data: Sequences) -> jax.Array:
        """(n, length) of each y, at the token of its x: from the pairs before it and from x."""
        return transformer.apply(self.network, w, self.tokens(data))[0][..., 0]

    # -- losses and prior -------------------------------------------------------------------------------
    def losses(self, w: Params, data: Sequences) -> jax.Array:
        squared = (data.y - self.predictions(w, data)) ** 2
        return jnp.sum(squared, axis=1, where=self.counted) / (2 * self.variance)

    @property
    def counted(self) -> np.ndarray:
        """(length,) whether losses count a position."""
        k, half = np.arange(self.length), self.length // 2
        slices = {"all": k >= 0, "early": k < half, "late": k >= half, "first": k == 0, "last": k == k[-1]}
        return slices[self.slice]

    def log_prior(self, w: Params) -> jax.Array:
        return log_normal(w, self.prior_scale)

    def sample_prior(self, key: jax.Array) -> Params:
        return draw_normal(key, transformer.shapes(self.network, self.dimension + 1), self.prior_scale)

    # -- what is seen -----------------------------------------------------------------------------------
    def outputs(self, w: Params) -> jax.Array:
        """(PROBE x length,) predictions on sequences like those of training."""
        return self.predictions(w, self.probe(PROBE)).ravel()

    @property
    def unrestricted(self) -> ICLLinearRegression:
        """The same network where every sequence has a task of its own: out of distribution, for a network that was
        trained on few."""
        return dataclasses.replace(self, tasks=0)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        """Mean squares over `PROBE` sequences and, unless noted, over positions; errors are expected ones,
        given each x and the pairs before it.

        "error": of predictions, on tasks like those of training; "error_far": on new tasks from N(0, I) and inputs
        `FAR` times as large.
        "in_context": error at the last position less that at the middle one (positions 8 and 4 of Hoogland et al.).
        "last_over_ridge": error at the last position over that of ridge regression, on new tasks: 1 is ideal.
        "to_ridge", and where tasks are finitely many "to_dmmse": distance to both ideal predictors on new tasks,
        where they differ most, a mean square over `dimension` (Raventos et al. 2023, section 2). Ridge regression
        being the best on new tasks, the error there is dimension x to_ridge and a constant.
        """
        new = self.unrestricted
        far = dataclasses.replace(new, input_scale=FAR * self.input_scale)
        known, unknown, beyond = (_seen(self, on) for on in (self, new, far))
        data = jax.tree.map(lambda *parts: np.concatenate(parts), known.data, unknown.data, beyond.data)
        on_known, on_unknown, on_beyond = jnp.split(
            self.predictions(w, data), 3
        )  # in one batch: one program, not three
        error = known.errors(on_known)
        watched = {
            "error": jnp.mean(error),
            "error_far": jnp.mean(beyond.errors(on_beyond)),
            "in_context": error[-1] - error[self.length // 2 - 1],
            "last_over_ridge": unknown.errors(on_unknown)[-1] / unknown.errors(unknown.ridge)[-1],
            "to_ridge": jnp.mean((on_unknown - unknown.ridge) ** 2) / self.dimension,
        }
        if self.tasks:
            watched["to_dmmse"] = jnp.mean((on_unknown - unknown.dmmse) ** 2) / self.dimension
        return watched

    def drawing(self, w: Params) -> Drawing:
        """Mean squared error by position, beside those of the ideal predictors."""
        seen = _seen(self, self)
        lines = {"network": _predictions(self, w, seen.data), "ridge": seen.ridge}
        if self.tasks:
            lines["dMMSE"] = seen.dmmse
        errors = np.stack([np.asarray(seen.errors(line)) for line in lines.values()])
        axes = ("pairs seen before", "mean squared error")
        return Drawing("curves", errors, labels=tuple(lines), axes=axes)


class _Seen(NamedTuple):
    """A probe; the predictions of ridge regression and dMMSE on it, (PROBE, length), the latter NaN without a list of
    tasks; and the better of the two there."""

    data: Sequences
    ridge: np.ndarray
    dmmse: np.ndarray
    best: ideal_predictors.Ideal

    def errors(self, predicted: Any) -> Any:
        """(length,) mean squared error of predictions, by position: expected over y, whose noise is thus left out."""
        return ((predicted - self.best.mean) ** 2 + self.best.variance).mean(axis=0)


@functools.lru_cache(maxsize=32)
def _seen(model: ICLLinearRegression, on: ICLLinearRegression) -> _Seen:
    """The probe of `on`, and the predictions on it given the tasks of `model`."""
    x, y = data = on.probe(PROBE)
    ridge = ideal_predictors.ridge(x, y, model.variance)
    if not model.tasks:
        return _Seen(data, ridge.mean, np.full_like(ridge.mean, np.nan), ridge)
    dmmse = ideal_predictors.dmmse(x, y, model.variance, model.table)
    return _Seen(data, ridge.mean, dmmse.mean, dmmse if on.tasks else ridge)


_predictions = jax.jit(ICLLinearRegression.predictions)
