"""The k-gon phases of superposition in two hidden dimensions: their critical points, and the classifier.

A k-gon has k columns of W at equal length l and angles 2 pi / k with equal bias b; the other c - k columns
are zero ("dead") with b <= 0, so that they output nothing. Each "+" makes one dead feature's bias 1/(2c), its
best constant output, which lowers the loss by exactly 1/(4 c^2). Source: Chen, Lau, Mendel, Wei and Murfet 2023
(arXiv:2310.06301), section 3 and appendices; here the critical points are solved, not tabulated.
"""

from __future__ import annotations

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize

from slt.models.base import Phase

ALIVE = 0.6  # a column longer than this is alive; k-gon columns are at least 1 long, dead ones 0
DEAD_BIAS = -0.25  # the representative's dead biases: inside the flat set b < 0, away from its edge
LARGEST_MINIMUM = 9  # k-gons with more columns are stationary but saddles
ANGLES = 180
SMALLEST = 4  # fewer columns can rotate relative to one another: no isolated shape, no single phase
_SOURCE = "Chen et al. 2023, arXiv:2310.06301"


@functools.lru_cache(maxsize=256)
def shape(k: int) -> tuple[float, float]:
    """Column length l and bias b of the k-gon, to machine precision.

    Up to k = 4 no column overlaps its neighbors, so l = 1 and b = 0 reconstruct all k features exactly.
    Beyond, (l^2, b) is the stationary point of the loss restricted to k-gons; it does not depend on c.

    Raises ValueError where no stationary k-gon is found.
    """
    if k <= SMALLEST:
        return 1.0, 0.0
    cosines = np.cos(2 * np.pi * np.arange(k) / k)

    def gradient(x: np.ndarray) -> np.ndarray:
        square, bias = x
        slopes = square * cosines
        s0, s1, s2 = _moments(slopes, bias)
        outer, inner = 2 * (slopes * s2 + bias * s1), 2 * (slopes * s1 + bias * s0)
        return np.array([outer @ cosines - 2 * s2[0], inner.sum() - 2 * s1[0]])

    for start in itertools.product((1.4, 2.0, 2.6), (-0.3, -0.6, -1.2)):
        found = scipy.optimize.root(gradient, start, tol=1e-15).x
        # far away (l^2 > 10) the gradient fades below any tolerance without ever vanishing
        if np.max(np.abs(gradient(found))) < 1e-12 and 0 < -found[1] < found[0] < 10:
            return math.sqrt(found[0]), float(found[1])
    raise ValueError(f"no stationary {k}-gon was found")


def _moments(slopes: np.ndarray, bias: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moments (1, t, t^2) of U[0, 1] over {t : slope t + bias > 0}, for bias < 0."""
    low = np.where(slopes > 0, np.clip(-bias / np.where(slopes > 0, slopes, 1.0), 0.0, 1.0), 1.0)
    return 1 - low, (1 - low**2) / 2, (1 - low**3) / 3


def kgon_loss(k: int, plus: int, c: int) -> float:
    """Population loss of the k-gon with `plus` dead features at bias 1/(2c), nats per observation."""
    length, bias = shape(k)
    slopes = length**2 * np.cos(2 * np.pi * np.arange(k) / k)
    s0, s1, s2 = _moments(slopes, bias)
    if k <= SMALLEST:
        alive = 0.0
    else:
        alive = 1 / 3 + np.sum(slopes**2 * s2 + 2 * slopes * bias * s1 + bias**2 * s0)
        alive -= 2 * (slopes[0] * s2[0] + bias * s1[0])
    return float((k * alive + (c - k) / 3) / c - plus / (4 * c**2))


@functools.lru_cache(maxsize=32)
def phases(c: int) -> tuple[Phase, ...]:
    """All k-gons with k = 4..c and 0..c - k plusses, by k, then by plusses (so by decreasing loss)."""
    return tuple(_phase(k, plus, c) for k in range(SMALLEST, c + 1) for plus in range(c - k + 1))


def _phase(k: int, plus: int, c: int) -> Phase:
    length, bias = shape(k)
    angles = 2 * np.pi * np.arange(k) / k
    W = np.zeros((2, c))
    W[:, :k] = length * np.stack([np.cos(angles), np.sin(angles)])
    b = np.full(c, DEAD_BIAS)
    b[:k] = bias
    b[k : k + plus] = 1 / (2 * c)
    best = np.where(b == DEAD_BIAS, 0.0, b)  # the prior is highest at the edge b = 0 of the flat set
    log_prior = -0.5 * (np.sum(W**2) + np.sum(best**2)) - 1.5 * c * math.log(2 * math.pi)
    llc, why = _learning_coefficient(k, plus, c)
    return Phase(
        name=f"{k}{'+' * plus}",
        family=str(k),
        point={"W": W, "b": b},
        loss=kgon_loss(k, plus, c),
        llc=llc,
        multiplicity=None if llc is None else 1,
        log_prior=float(log_prior),
        source=f"{_SOURCE}; {why}",
    )


def _learning_coefficient(k: int, plus: int, c: int) -> tuple[float | None, str]:
    """lambda where theory gives it, and the reason either way.

    At a minimally singular minimum lambda is half the rank of the Hessian: each alive column and each plus
    feature has 3 non-degenerate directions, less one for rotation; a dead feature with b < 0 has none.
    """
    if k <= SMALLEST:
        return None, "direction-dependent lambda: the loss is C1 but not C2 here"
    if k > LARGEST_MINIMUM:
        return None, "a saddle: no learning coefficient"
    if 0 < plus < c - k:  # a dead column at b < 0 and one at b > 0 lower the loss together: b w_d . w_e < 0
        return None, "a saddle: dead features of both signs of bias lower the loss together"
    return (3 * k - 1 + 3 * plus) / 2, "minimally singular: lambda = rank of the Hessian / 2"


def nearest_copy(w: dict[str, np.ndarray], to: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rotation, reflection and permutation of features of `w` that lies nearest to `to`: permutations by
    assignment, angles on a grid of `ANGLES`."""
    goal = np.vstack([to["W"], to["b"]])
    best, least = w, np.inf
    for flip, angle in itertools.product((1, -1), np.arange(ANGLES) * 2 * np.pi / ANGLES):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag(
            [1, flip]
        )
        columns = np.vstack([turn @ w["W"], w["b"]])
        apart = np.sum((goal[:, :, None] - columns[:, None, :]) ** 2, axis=0)
        rows, chosen = scipy.optimize.linear_sum_assignment(apart)
        if apart[rows, chosen].sum() < least:
            least = apart[rows, chosen].sum()
            best = {"W": columns[:2, chosen], "b": columns[2, chosen]}
    return best


def classify(W: jax.Array, b: jax.Array) -> jax.Array:
    """Index into `phases(c)`, or their number for "other".

    k is the number of alive columns, longer than ALIVE = 0.6. They are a k-gon when they go round the circle
    evenly: every gap between neighboring directions is between a half and three halves of 2 pi / k. A dead
    feature counts as "+" when its bias is positive. Fewer than four alive columns, or uneven ones, are
    "other". Rotations, reflections and permutations of features change none of this.
    """
    c = W.shape[1]
    alive = jnp.linalg.norm(W, axis=0) > ALIVE
    k = jnp.sum(alive)
    plus = jnp.sum(~alive & (b > 0))
    angles = jnp.sort(jnp.where(alive, jnp.arctan2(W[1], W[0]), jnp.inf))  # alive ones first, in order
    following = jnp.where(jnp.arange(c) == k - 1, angles[0] + 2 * jnp.pi, jnp.roll(angles, -1))
    gaps = jnp.where(jnp.arange(c) < k, following - angles, jnp.nan)
    regular = 2 * jnp.pi / jnp.maximum(k, 1)
    even = (jnp.nanmin(gaps) > 0.5 * regular) & (jnp.nanmax(gaps) < 1.5 * regular)
    before = sum(jnp.where(k > j, c - j + 1, 0) for j in range(SMALLEST, c + 1))
    other = max(0, (c - SMALLEST + 1) * (c - SMALLEST + 2) // 2)  # = len(phases(c))
    return jnp.where((k >= SMALLEST) & even, before + plus, other).astype(jnp.int32)
