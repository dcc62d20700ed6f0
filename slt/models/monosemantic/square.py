"""Four features on the corners of a square: three codes of hidden neurons, and the square's symmetries.

A neuron is (w, b, v): direction (2,), bias, and what it adds to the four outputs. Three codes in which only v
is solved for, by least squares, and one bias:

* on corners: one neuron on each corner. Its neighbors' features are at right angles to it, so with any b < 0 it
  is activated by its own feature alone, and always equally.
* on sides: one neuron on the middle of each side, activated by two features alike.
* octagon: eight neurons at equal angles. The inputs of the neurons take nine values, {-1, 0, 1}^2, and eight neurons
  that are silent at 0 fit any outputs at the other eight: the expectation of the features given what is seen. No
  network does better but by an output at 0, which lowers the loss by 4 (frequency^2)^2 at most.

The first two are the best among the codes of their symmetry, so they are stationary among all (Palais 1979, "The
principle of symmetric criticality"). The third leaves no error that depends on the input, so it is stationary too.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import scipy.optimize

CORNERS = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
FEATURES = len(CORNERS)
PATTERNS = np.array(list(itertools.product([0.0, 1.0], repeat=FEATURES)))  # which features are present
_SIDES = CORNERS + np.roll(CORNERS, -1, axis=0)
OCTAGON = 8  # neurons
_TURN = np.array([[0.0, -1.0], [1.0, 0.0]])

Code = dict[str, np.ndarray]  # {"W": (neuron, 2), "b": (neuron,), "V": (feature, neuron)}


def probabilities(frequency: float) -> np.ndarray:
    """(16,) probability of each pattern: features are present independently."""
    return np.prod(np.where(PATTERNS > 0, frequency, 1 - frequency), axis=1)


def decoder(W: np.ndarray, b: np.ndarray, frequency: float) -> tuple[np.ndarray, float]:
    """V (feature, neuron) of least expected squared error for given neurons, the smallest such V; and that error."""
    root = np.sqrt(probabilities(frequency))[:, None]
    active = np.maximum(PATTERNS @ CORNERS @ W.T + b, 0)
    V = np.linalg.lstsq(root * active, root * PATTERNS, rcond=1e-12)[0].T
    return V, float(np.sum((root * (PATTERNS - active @ V.T)) ** 2))


def on_corners(neurons: int, frequency: float) -> Code:
    """One neuron on each corner; those beyond four are dead."""
    return _code(CORNERS * 2, np.full(FEATURES, -1.0), neurons, frequency)


def on_sides(neurons: int, frequency: float) -> Code:
    """One neuron on the middle of each side, with the best bias; those beyond four are dead."""
    return _code(_SIDES, np.full(FEATURES, _side_bias(frequency)), neurons, frequency)


@functools.cache
def _side_bias(frequency: float) -> float:
    def error(b: float) -> float:
        return decoder(_SIDES, np.full(FEATURES, b), frequency)[1]

    return float(scipy.optimize.minimize_scalar(error, bounds=(-0.9, 0.0), options={"xatol": 1e-14}).x)


def octagon(neurons: int, frequency: float) -> Code:
    """Eight neurons an eighth of a turn apart, the first a quarter of that from a corner; the rest dead.

    None is activated by one feature alone: the larger activation is at most 0.86 of the sum.
    """
    angles = np.pi / 16 + np.pi / 4 * np.arange(OCTAGON)
    W = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return _code(W, np.full(OCTAGON, -0.1), neurons, frequency)


def half_turned(neurons: int, frequency: float) -> Code:
    """One neuron on each of three corners, one between the third and the fourth; the rest dead. Not stationary."""
    W = 2 * np.vstack([CORNERS[:3], _SIDES[2:3] / np.sqrt(2)])
    return _code(W, np.full(FEATURES, -1.0), neurons, frequency)


def _code(W: np.ndarray, b: np.ndarray, neurons: int, frequency: float) -> Code:
    """Neurons with their best decoder; the rest silent: they have no activation and no output."""
    rest = neurons - len(W)
    V, _ = decoder(W, b, frequency)
    return {
        "W": np.vstack([W, np.zeros((rest, 2))]),
        "b": np.concatenate([b, np.full(rest, -1.0)]),
        "V": np.hstack([V, np.zeros((FEATURES, rest))]),
    }


def balanced(w: Code) -> Code:
    """The same network with every neuron rescaled to the smallest sum of squares: (w, b) as long as v."""
    columns = _balanced(np.vstack([w["W"].T, w["b"], w["V"]]))
    return {"W": columns[:2].T, "b": columns[2], "V": columns[3:]}


def nearest_copy(w: Code, to: Code) -> Code:
    """The copy of `w` nearest to `to`: turned or mirrored with the square, neurons permuted and rescaled.

    A neuron (w, b, v) does the same as (s w, s b, v / s). Copies are compared with every neuron at equal lengths of
    (w, b) and v; the one chosen gets the scale of its counterpart in `to`.
    """
    goal = _balanced(np.vstack([to["W"].T, to["b"], to["V"]]))
    best, least = w, np.inf
    for mirror, turns in itertools.product((False, True), range(FEATURES)):
        copy = _moved(w, mirror, turns)
        mine = np.vstack([copy["W"].T, copy["b"], copy["V"]])
        apart = np.sum((goal[:, :, None] - _balanced(mine)[:, None, :]) ** 2, axis=0)
        _, order = scipy.optimize.linear_sum_assignment(apart)
        total = apart[np.arange(len(order)), order].sum()
        if total < least:
            scale = _length(np.vstack([to["W"].T, to["b"]])) / _length(mine[:3, order])
            least = total
            best = {
                "W": copy["W"][order] * scale[:, None],
                "b": copy["b"][order] * scale,
                "V": copy["V"][:, order] / scale,
            }
    return best


def _moved(w: Code, mirror: bool, turns: int) -> Code:
    """The same network with the square mirrored, then turned: directions and outputs move together."""
    W, V = w["W"], w["V"]
    if mirror:  # corner k goes to corner -k
        W, V = W * np.array([1.0, -1.0]), V[-np.arange(FEATURES) % FEATURES]
    for _ in range(turns):
        W, V = W @ _TURN.T, np.roll(V, 1, axis=0)
    return {"W": W, "b": w["b"], "V": V}


def _balanced(neurons: np.ndarray) -> np.ndarray:
    """Columns (w, b, v) rescaled so that (w, b) and v have equal length."""
    scale = np.sqrt(_length(neurons[3:]) / _length(neurons[:3]))
    return np.vstack([neurons[:3] * scale, neurons[3:] / scale])


def _length(columns: np.ndarray) -> np.ndarray:
    return np.maximum(np.linalg.norm(columns, axis=0), 1e-6)
