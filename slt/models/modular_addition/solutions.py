"""Explicit networks that add modulo p; shapes are those of `ModularAddition`. NumPy.

Quadratic neurons. With waves A = cos(t a + alpha) and B = cos(t b + beta), t = 2 pi k / p, two neurons make a
product, (A + B)^2 - (A - B)^2 = 4 A B. The three products with alpha = beta = 0, 2 pi / 3, 4 pi / 3, each times a
wave over the output of phase alpha + beta, sum to 3 cos t (a + b - c): all else has an angle whose three values
cancel. (Three are the products of real numbers in one of complex numbers.) So six neurons make one frequency.
All (p - 1) / 2 of them, and one neuron that is constant, make the one-hot of (a + b) mod p exactly, since

    1 + 2 sum_k cos(2 pi k d / p) = p if d = 0 mod p, else 0.

With fewer frequencies the largest output is still the right one, and the squared loss is stationary: the residual is
orthogonal to all that these neurons can represent or change. Gromov 2023 (arXiv:2301.02679), section 3, has the same
waves with random phases, for which the rest averages out as the network grows.

ReLU neurons. All that matters is s = a + b, one of 0 ... 2p - 2. Hinges max(0, s - t) for t = -1 ... 2p - 3 make any
function of s, so also the one-hot.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from slt.models.base import Params
from slt.records.base import Array

LOGIT = 10.0  # height of the right output where outputs are logits
_PER_FREQUENCY = 6
_TRIES = 20


@functools.cache
def answers(p: int) -> Array:
    """(p^2, p) one-hot of (a + b) mod p for the pair with index a p + b."""
    a, b = np.divmod(np.arange(p**2), p)
    return np.eye(p)[(a + b) % p]


def narrowest(activation: str, p: int) -> int:
    """The number of neurons of the smallest solution that `solution` constructs."""
    return _PER_FREQUENCY + 1 if activation == "quadratic" else 2 * p - 1


def solution(p: int, hidden: int, activation: str, height: float) -> tuple[Params, bool]:
    """A network whose right output is `height` and whose others are 0, or as near to it as `hidden` neurons come;
    and whether it is exact."""
    if activation == "relu":
        first, second = _hinges(p)
        exact = True
    else:
        count = min((hidden - 1) // _PER_FREQUENCY, (p - 1) // 2)
        first, second = _waves(p, count)
        exact = count == (p - 1) // 2
    return _padded(balanced(first, height * second, activation), hidden), exact


def memorized(
    p: int, hidden: int, activation: str, height: float, memorizes: Callable[[Params], bool]
) -> Params:
    """Random neurons, and outputs fitted by least squares to two thirds of the pairs; to fewer where that is what
    `memorizes` asks for.

    Raises ValueError where no such network was found.
    """
    for attempt in range(_TRIES):
        random = np.random.default_rng(attempt)
        first = random.normal(size=(2 * p, hidden))
        features = _features(first, activation)
        order = random.permutation(p**2)
        for known in range(2 * p**2 // 3, 2 * p - 1, -p):
            rows = order[:known]
            second = np.linalg.lstsq(features[rows], answers(p)[rows], rcond=1e-10)[0]
            w = balanced(first, height * second, activation)
            if memorizes(w):
                return w
    raise ValueError(
        f"no network of {hidden} {activation} neurons was found that memorizes some sums mod {p}"
    )


def balanced(first: Array, second: Array, activation: str) -> Params:
    """The same network with the smallest norm that rescaling its neurons allows: phi(z s) = s^d phi(z), d = 2 for
    quadratic neurons and 1 for ReLU, so that the norm is least where |w|^2 = d |v|^2."""
    degree = 2 if activation == "quadratic" else 1
    w, v = np.linalg.norm(first, axis=0), np.linalg.norm(second, axis=1)
    alive = (w > 0) & (v > 0)
    scale = np.where(alive, (np.sqrt(degree) * v / np.where(alive, w, 1)) ** (1 / (degree + 1)), 0.0)
    inverse = np.where(alive, 1 / np.where(alive, scale, 1), 0.0)
    return {"W": first * scale, "V": second * inverse[:, None] ** degree}


def _waves(p: int, count: int) -> tuple[Array, Array]:
    """Weights (2p, 6 count + 1) and (6 count + 1, p) with `count` frequencies and the constant neuron."""
    x = np.arange(p)
    columns, rows = [np.full(2 * p, 0.5)], [np.full(p, 1 / p)]
    for k in range(1, count + 1):
        for phase in 2 * np.pi / 3 * np.arange(3):
            wave = np.cos(2 * np.pi * k * x / p + phase)
            # 4 A B C summed over the phases is 3 cos(a + b - c), and 2 / p of it is wanted
            out = 2 / (3 * p) * np.cos(2 * np.pi * k * x / p + 2 * phase)
            columns += [np.concatenate([wave, wave]), np.concatenate([wave, -wave])]
            rows += [out, -out]
    return np.stack(columns, axis=1), np.stack(rows)


def _hinges(p: int) -> tuple[Array, Array]:
    """Weights (2p, 2p - 1) and (2p - 1, p)."""
    x, t = np.arange(p), np.arange(-1, 2 * p - 2)
    first = np.concatenate([x[:, None] - t / 2, x[:, None] - t / 2])
    s = np.arange(2 * p - 1)
    return first, np.linalg.solve(np.maximum(0.0, s[:, None] - t), np.eye(p)[s % p])


def _features(first: Array, activation: str) -> Array:
    """(p^2, hidden) activations on all pairs."""
    p = len(first) // 2
    before = (first[:p, None] + first[None, p:]).reshape(p**2, -1)
    return before**2 if activation == "quadratic" else np.maximum(before, 0.0)


def _padded(w: Params, hidden: int) -> Params:
    """With zero neurons, up to `hidden`."""
    spare = hidden - len(w["V"])
    return {"W": np.pad(w["W"], ((0, 0), (0, spare))), "V": np.pad(w["V"], ((0, spare), (0, 0)))}
