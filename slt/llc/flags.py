"""What can be wrong with an estimate: named flags, each with the numbers that raised it.

An estimate's status is "ok", or its flags joined by " | ". A flag is "name: what happened", with these names:

    negative             the estimate is below zero by more than its error
    escaped              draws found lower loss than the point's: it is not a local minimum here
    not critical         the gradient at the point alone explains part of the estimate
    burn-in              the average still holds the approach: its first half and its second disagree
    noise                minibatches add more to the average than they may
    diverged             a chain or population became NaN or infinite; it is left out
    few effective draws  too few for the error to be believed
    power law            the curve does not reach (or does not follow) the power law
    not decorrelated     moves no longer decorrelate the draws
    flat                 the loss does not vary around the point
    no estimate          nothing was left to estimate from
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from slt.records.base import FLAGS, OK, Array

NAMES = (
    "negative",
    "escaped",
    "not critical",
    "burn-in",
    "noise",
    "diverged",
    "few effective draws",
    "power law",
    "not decorrelated",
    "flat",
    "no estimate",
)
ESCAPED = 0.1  # nats below the point's loss, at the draws' own temperature, that count as lower
SHARE_LOWER = 0.01  # of draws with lower loss than the point's, beyond which they have escaped
GAIN = 0.05  # of the estimate that a step along the gradient may explain


class Flags:
    """Flags of a batch of points, raised one by one."""

    def __init__(self, count: int) -> None:
        self._raised: list[list[str]] = [[] for _ in range(count)]

    def add(self, name: str, where: Array, text: Sequence[str] | str) -> None:
        """Raise `name` at every point where `where` (point,) holds; `text` is one for all, or (point,)."""
        if name not in NAMES:
            raise ValueError(f"no flag is called {name!r}")
        for i in np.flatnonzero(where).tolist():
            self._raised[i].append(f"{name}: {text if isinstance(text, str) else text[i]}")

    def status(self) -> Array:
        """(point,)."""
        return np.array([FLAGS.join(flags) or OK for flags in self._raised])


def common(flags: Flags, llc: Array, error: Array, nbeta: Array, lower: Array, decrement: Array) -> None:
    """The flags that any estimator by sampling may raise.

    Args:
      flags: to add to.
      llc, error: (point,).
      nbeta: (point,) inverse temperature in observations of the draws.
      lower: (point,) share of draws at a loss lower than the point's by over 0.1 nat / (n beta).
      decrement: (point,) how far a step along the gradient lowers the loss, nats per observation
        (`problem.newton_decrement`).
    """
    missing = ~np.isfinite(llc)
    flags.add("no estimate", missing, "nothing finite was left to estimate from")
    with np.errstate(invalid="ignore"):
        negative = llc < -2 * np.nan_to_num(error)
        part = nbeta * decrement
        uncritical = part > GAIN * np.abs(llc)
    flags.add("negative", negative, [f"{value:.3g}, which no learning coefficient is" for value in llc])
    flags.add(
        "escaped",
        lower > SHARE_LOWER,
        [f"{value:.0%} of draws have lower loss than the point" for value in lower],
    )
    flags.add(
        "not critical",
        uncritical,
        [f"a step along the gradient lowers nbeta K by {value:.2g} nats" for value in part],
    )
