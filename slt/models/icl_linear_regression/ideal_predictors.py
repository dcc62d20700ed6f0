"""The two Bayesian predictors of y_k = t . x_k + noise from the pairs before it.

A sequence has one task t. Under t ~ N(0, I) the posterior mean is ridge regression with penalty `variance`; where t
is one of finitely many tasks, each as likely, it is the discrete minimum-mean-squared-error predictor, dMMSE
(Raventos, Paul, Chen and Ganguli 2023, arXiv:2306.15063, section 2). NumPy in float64: inputs are fixed, nothing is
trained.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.special

Array = np.ndarray


class Ideal(NamedTuple):
    """The posterior of y_k given the pairs before position k, (n, K) each.

    Attributes:
      mean: of y_k under the posterior: the prediction with the least expected squared error.
      variance: of y_k under the posterior, noise included: that least expected squared error.
    """

    mean: Array
    variance: Array


def ridge(x: Array, y: Array, variance: float) -> Ideal:
    """The predictor for tasks from N(0, I).

    Args:
      x: (n, K, D) inputs.
      y: (n, K) outputs.
      variance: of the noise, positive.
    """
    precision = _before(x[..., :, None] * x[..., None, :]) + variance * np.eye(x.shape[-1])  # times variance
    moment = _before(x * y[..., None])
    solved = np.linalg.solve(precision, np.stack([moment, x], axis=-1))  # (n, K, D, 2)
    mean, spread = np.moveaxis(np.einsum("nkd,nkdi->nki", x, solved), -1, 0)
    return Ideal(mean, variance * (1 + spread))


def dmmse(x: Array, y: Array, variance: float, tasks: Array) -> Ideal:
    """The predictor for a task that is one of the rows of `tasks` (M, D); otherwise like `ridge`."""
    outputs = x @ tasks.T  # (n, K, M)
    weight = scipy.special.softmax(-_before((y[..., None] - outputs) ** 2) / (2 * variance), axis=-1)
    mean = np.sum(weight * outputs, axis=-1)
    return Ideal(mean, variance + np.sum(weight * (outputs - mean[..., None]) ** 2, axis=-1))


def _before(terms: Array) -> Array:
    """Sums along axis 1 of all terms that come before."""
    return np.concatenate([np.zeros_like(terms[:, :1]), np.cumsum(terms[:, :-1], axis=1)], axis=1)
