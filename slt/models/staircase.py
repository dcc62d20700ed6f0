"""Staircases: sums of monomials of bits; where each adds one bit to an earlier one, SGD learns them in order.

    target(x) = sum_S prod_{i in S} x_i   over the sets S in `terms`,   x uniform on {-1, 1}^d

A monomial is learned fast once all but one of its bits are in monomials that are learned. The leap of a target is the
number of new bits in the hardest step of the easiest order of its monomials: 1 for x0 + x0 x1 + x0 x1 x2, k for a
parity of k bits alone. The conjecture is that SGD needs about d^max(leap - 1, 1) observations, since it passes from
one saddle to the next.

Sources: Abbe, Boix-Adsera and Misiakiewicz 2022, "The merged-staircase property" (arXiv:2202.08658); and 2023, "SGD
learning on neural networks: leap complexity and saddle-to-saddle dynamics" (arXiv:2302.11055), whose conjecture is a
time of d^max(leap, 2), d for each observation. Conventions for the network and the loss: see
`slt.models.common.boolean_network`.
"""

from __future__ import annotations

import functools
import math
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Params, Phase, as_model, static
from slt.models.common.boolean_functions import character, cube, is_absent, is_learned, parity_units
from slt.models.common.boolean_network import BooleanNetwork, check_network
from slt.models.drawing import Drawing

Terms = tuple[tuple[int, ...], ...]
_OTHERS = 6  # monomials outside the target that a drawing shows
_Array = TypeVar("_Array", jax.Array, np.ndarray)


@as_model
class Staircase(BooleanNetwork):
    """A two-layer network that learns a sum of monomials, each with coefficient 1.

    Phase "degree k" has learned the monomials of the target up to degree k, and "none" has learned none. They are
    distinguished by the network's Fourier coefficients on the target's monomials alone.

    Args:
      bits: d, at most 16, so that all 2^d inputs can be listed.
      terms: sets of bits, counted from 0, each of one bit or more.
      hidden: units, at least as many as the sizes of all terms together.
      noise: standard deviation sigma of the labels.
      prior_scale: standard deviation of the prior on every parameter.
      init_scale: of the weights where SGD starts, relative to 1 / sqrt(fan in).

    Raises ValueError for options that are not of this form.
    """

    bits: int = static(5)
    terms: Terms = static(((0,), (0, 1), (0, 1, 2)))
    hidden: int = static(8)
    noise: float = static(1.0)
    prior_scale: float = static(1.0)
    init_scale: float = static(1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", tuple(tuple(sorted(term)) for term in self.terms))
        if not 1 <= self.bits <= 16:
            raise ValueError(f"bits must lie between 1 and 16, so that inputs can be listed, not {self.bits}")
        if not self.terms or not all(self.terms):
            raise ValueError(f"terms must be sets of one bit or more, at least one set, not {self.terms}")
        if len({*self.terms}) < len(self.terms) or any(len({*term}) < len(term) for term in self.terms):
            raise ValueError(f"no bit may come twice in a term, and no term twice: {self.terms}")
        if not all(0 <= bit < self.bits for term in self.terms for bit in term):
            raise ValueError(f"terms name bits from 0 to {self.bits - 1}, not {self.terms}")
        check_network(self, sum(len(term) for term in self.terms))

    @property
    def degrees(self) -> tuple[int, ...]:
        """Those of the target's monomials, rising."""
        return tuple(sorted({len(term) for term in self.terms}))

    def inputs(self) -> np.ndarray:
        return cube(self.bits)

    def probability(self) -> np.ndarray:
        return np.full(2**self.bits, 0.5**self.bits)

    def target(self) -> np.ndarray:
        return self._characters().sum(axis=1)

    def coefficients(self, w: Params) -> jax.Array:
        """(terms,) the network's Fourier coefficients on the target's monomials."""
        outputs = self.outputs(w)
        return outputs @ jnp.asarray(self._characters(), outputs.dtype) / len(outputs)

    def spectrum(self, w: Params) -> jax.Array:
        """(2,) * bits: the Fourier coefficient on every monomial; index 1 along axis i means that x_i is in it."""
        return walsh_hadamard(self.outputs(w).reshape((2,) * self.bits))

    def phases(self) -> tuple[Phase, ...]:
        """By degree, so by decreasing loss. Where a monomial is missing and the gradient vanishes all the same, every
        missing one has two new bits or more, and the phase is a saddle."""
        return _phases(self)

    def classify(self, w: Params) -> jax.Array:
        """How many degrees are learned where these are the lowest and the others are absent, else "other"."""
        ratio = self.coefficients(w)
        degree = np.array([len(term) for term in self.terms])
        known = [degree <= k for k in (0, *self.degrees)]
        fits = jnp.stack([jnp.all(jnp.where(low, is_learned(ratio), is_absent(ratio))) for low in known])
        return jnp.where(jnp.any(fits), jnp.argmax(fits), len(known)).astype(jnp.int32)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        """The coefficient of each monomial of the target, in units of the target's, and the energy (sum of squared
        coefficients) of each degree up to one more than the target's."""
        ratios = self.coefficients(w)
        energy = self.spectrum(w) ** 2
        size = np.indices(energy.shape).sum(axis=0)
        highest = min(self.degrees[-1] + 1, self.bits)
        return {monomial_name(term): ratios[i] for i, term in enumerate(self.terms)} | {
            f"energy {k}": jnp.sum(jnp.where(size == k, energy, 0.0)) for k in range(1, highest + 1)
        }

    def drawing(self, w: Params) -> Drawing:
        """Fourier coefficients: of the target's monomials, then the largest others."""
        spectrum = np.asarray(self.spectrum(w))
        of_bits = [tuple(int(i in term) for i in range(self.bits)) for term in self.terms]
        left = set(np.ndindex(spectrum.shape)) - set(of_bits)
        others = sorted(
            left, key=lambda at: (-round(float(abs(spectrum[at])), 9), sum(at), at)
        )  # ties up to rounding
        shown = [*of_bits, *others[:_OTHERS]]
        return Drawing(
            kind="bars",
            values=np.array([spectrum[at] for at in shown]),
            labels=tuple(monomial_name(tuple(np.flatnonzero(at).tolist())) for at in shown),
            axes=("monomial", "Fourier coefficient"),
        )

    def _phase(self, degree: int) -> Phase:
        known = [term for term in self.terms if len(term) <= degree]
        units = [unit for term in known for unit in parity_units(self.bits, term)]
        point = self.point_of(units, math.fsum((-1.0) ** len(term) for term in known))
        return Phase(
            name=f"degree {degree}" if degree else "none",
            point=point,
            loss=(len(self.terms) - len(known)) / (2 * self.noise**2),
            log_prior=float(self.log_prior(point)),
            critical=self.is_critical(point),
            source="by construction: the target's monomials up to this degree, each a zigzag of ReLUs; log_prior is "
            "this point's, not the highest; after Abbe, Boix-Adsera and Misiakiewicz 2023, arXiv:2302.11055",
        )

    def _characters(self) -> np.ndarray:
        """(inputs, terms)."""
        return np.stack([character(self.inputs(), term) for term in self.terms], axis=1)


@functools.lru_cache(maxsize=32)
def _phases(model: Staircase) -> tuple[Phase, ...]:
    return tuple(model._phase(degree) for degree in (0, *model.degrees))


def leap(terms: Terms) -> int:
    """The leap of a sum of these monomials: the fewest new bits r such that the monomials can be put in an order in
    which each brings r new bits at most. The closest monomial next is always a best choice."""
    known: set[int] = set()
    left = [set(term) for term in terms]
    hardest = 0
    while left:
        nearest = min(left, key=lambda term: len(term - known))
        hardest = max(hardest, len(nearest - known))
        known |= nearest
        left.remove(nearest)
    return hardest


def walsh_hadamard(values: _Array) -> _Array:
    """(2,) * d Fourier coefficients of a function on {-1, 1}^d; along each axis index 0 is x_i = 1, 1 is x_i = -1."""
    for axis in range(values.ndim):
        plus, minus = values.take(0, axis), values.take(1, axis)
        module = np if isinstance(values, np.ndarray) else jnp
        values = module.stack([plus + minus, plus - minus], axis=axis) / 2
    return values


def monomial_name(term: tuple[int, ...]) -> str:
    """E.g. "x0 x2"; "1" for the constant."""
    return " ".join(f"x{bit}" for bit in term) or "1"
