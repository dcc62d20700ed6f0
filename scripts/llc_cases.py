"""Learning coefficients known from theory: the cases of the truth suite, over every family of models."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from slt.llc.problem import LLCProblem
from slt.models.base import Model, Phase
from slt.models.crafted import Crafted
from slt.models.deep_linear import DeepLinear
from slt.models.gaussian_mixture import GaussianMixture
from slt.models.monomial import Monomial
from slt.models.quadratic import Quadratic
from slt.models.reduced_rank_regression import ReducedRankRegression
from slt.models.strata import Strata
from slt.models.superposition import Superposition
from slt.models.tanh_network import TanhNetwork


@dataclasses.dataclass(frozen=True)
class Case:
    """A model and one of its phases; `own_prior`: the prior's exponents matter, so that it must be the model's."""

    name: str
    model: Model
    phase: str = ""
    own_prior: bool = False

    @property
    def truth(self) -> Phase:
        known = [phase for phase in self.model.phases() if phase.llc is not None]
        return next(phase for phase in known if phase.name == self.phase) if self.phase else known[-1]

    @property
    def problem(self) -> LLCProblem:
        return LLCProblem(self.model, jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], self.truth.point))


def cases() -> list[Case]:
    return [*_regular(), *_monomials(), *_linear(), *_networks()]


def _regular() -> list[Case]:
    sizes = (1, 2, 3, 5, 10, 20, 50, 100, 256, 512)
    return [Case(f"quadratic, d = {d}", Quadratic(dimension=d, condition=10.0)) for d in sizes]


def _monomials() -> list[Case]:
    crossings = ((1, 1), (1, 2), (2, 2), (1, 3), (2, 3), (1, 1, 1), (1, 2, 3), (1, 1, 1, 1))
    sums = ((1, 2), (3, 3), (2, 2, 2, 4), (1, 2, 2, 2, 2, 3, 3), (2,) * 10, (2,) * 30)
    weighted = (((1, 1), (1.0, 0.0)), ((1, 1), (1.0, 1.0)), ((2, 2), (1.0, 2.0)))
    return [
        *(Case(f"product {_powers(k)}", Monomial(exponents=(k,))) for k in crossings),
        *(
            Case(
                f"sum of powers {', '.join(str(2 * p) for p in k[:7])}{', ...' if len(k) > 7 else ''}, d = {len(k)}",
                Monomial(
                    exponents=tuple(tuple(p if i == j else 0 for i in range(len(k))) for j, p in enumerate(k))
                ),
            )
            for k in sums
        ),
        *(
            Case(
                f"product {_powers(k)}, prior |w|^{h}",
                Monomial(exponents=(k,), prior_exponents=h),
                own_prior=True,
            )
            for k, h in weighted
        ),
        Case("w1^2 w2^2 + w3^4", Monomial(exponents=((1, 1, 0), (0, 0, 2)))),
        Case("w1^2 w2^2 + w1^8 + w2^8", Monomial(exponents=((1, 1), (4, 0), (0, 4)))),
    ]


def _powers(k: tuple[int, ...]) -> str:
    return " ".join(f"w{i + 1}^{2 * p}" for i, p in enumerate(k))


def _linear() -> list[Case]:
    ranks = (
        (1, 1, 1, 0),
        (2, 2, 2, 0),
        (2, 2, 2, 1),
        (3, 2, 3, 1),
        (4, 2, 3, 2),
        (3, 3, 3, 0),
        (1, 3, 1, 0),
        (2, 1, 6, 1),
        (5, 4, 5, 0),
        (5, 5, 5, 1),
        (8, 4, 8, 2),
        (16, 16, 16, 0),
    )
    deep = (
        ((2, 2, 2, 2), ()),
        ((3, 3, 3, 3), (3.0, 1.5)),
        ((4, 4, 4, 4), (2.0, 1.0)),
        ((2, 4, 4, 2), (1.0,)),
    )
    return [
        *(
            Case(
                f"reduced rank {m}, {h}, {n}; r = {r}",
                ReducedRankRegression(inputs=m, hidden=h, outputs=n, rank=r),
            )
            for m, h, n, r in ranks
        ),
        *(
            Case(
                f"deep linear {', '.join(map(str, widths))}; r = {len(values)}",
                DeepLinear(widths=widths, singular_values=values),
            )
            for widths, values in deep
        ),
    ]


def _networks() -> list[Case]:
    mixtures = ((1.0,), (0.4, 0.6), (0.2, 0.3, 0.5))
    well = Crafted(positions=(0.0,), heights=(0.0,), curvatures=(8.0,), orders=(8,), plateau=1.0)
    return [
        *(Case(f"tanh, {h} hidden", TanhNetwork(hidden=h)) for h in (1, 2, 3, 4)),
        *(Case(f"Gaussian mixture of {len(pi)}", GaussianMixture(weights=pi)) for pi in mixtures),
        Case("two strata: the origin", Strata(), "origin"),
        Case("two strata: the line", Strata(), "line"),
        Case("crafted well w^8", well),
        *(
            Case(f"superposition, c = 6: {name}", Superposition(features=6), name)
            for name in ("5", "5+", "6")
        ),
    ]
