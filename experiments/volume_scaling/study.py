"""How fast the prior mass of {K < eps} falls with eps: its exponent is lambda, and a logarithm shows m."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
import scipy.special
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.finding import Finding, verdict_of
from slt.models.monomial import Monomial
from slt.records.base import Array
from slt.report import style

CLAIM = "The prior mass of {K < eps} falls like eps^lambda (-log eps)^(m-1), with lambda and m from the exponents."
SOURCE = "Watanabe 2009, Algebraic Geometry and Statistical Learning Theory, chapters 4 and 6"
CASES: dict[str, tuple[tuple[int, int], ...]] = {  # exponents of the monomials whose squares are summed
    "w1^2": ((1, 0),),
    "w1^4 + w2^2": ((2, 0), (0, 1)),
    "w1^2 w2^2": ((1, 1),),
    "w1^2 w2^4": ((1, 2),),
}
DRAWN = (0.3, 0.03, 0.003)  # eps of the regions
REDS = ("#7f0000", "#d7301f", "#fdbb84")  # their colors, from the smallest
DEEPEST = -14.0  # log10 of the smallest eps
CLOSE = 0.002  # how far the exponent may be from lambda


class Law(NamedTuple):
    """log V = llc log eps + (m - 1) log(-log eps + shift) + const, and how far it is from what it was fitted to."""

    llc: float
    multiplicity: int
    misfit: float


def study(reduced: bool = False) -> Finding:
    """Volumes by quadrature under the prior N(0, 1)^2. The law is fitted over the deepest eight decades with m = 1
    and m = 2, and the better m is kept. Holds where every m is right and every exponent is lambda to 0.002; mixed
    where some are; else fails."""
    nodes = 4_001 if reduced else 40_001
    log_eps = np.log(10) * np.linspace(DEEPEST, 0, 57)
    found: dict[str, Any] = {}
    for name, exponents in CASES.items():
        (phase,) = Monomial(exponents=exponents).phases()
        volumes = np.array([log_volume(exponents, eps, nodes) for eps in np.exp(log_eps)])
        deep = log_eps < np.log(10) * (DEEPEST + 8)
        laws = [_fitted(log_eps[deep], volumes[deep], m) for m in (1, 2)]
        found[name] = (phase, volumes, min(laws, key=lambda law: law.misfit), laws)
    right = [
        law.multiplicity == phase.multiplicity and abs(law.llc - phase.llc) < CLOSE
        for phase, _, law, _ in found.values()
    ]
    each = [
        f"{name}: {law.llc:.4f}, m = {law.multiplicity} (theory {phase.llc:g}, {phase.multiplicity})"
        for name, (phase, _, law, _) in found.items()
    ]
    return Finding(
        verdict=verdict_of(right),
        numbers="; ".join(each),
        figure=_figure(found, log_eps),
        data={
            "log eps": log_eps.tolist(),
            **{
                name: {
                    "log volume": volumes.tolist(),
                    "fits": [one._asdict() for one in laws],
                    "lambda": phase.llc,
                    "multiplicity": phase.multiplicity,
                }
                for name, (phase, volumes, _, laws) in found.items()
            },
        },
    )


def log_volume(exponents: tuple[tuple[int, int], ...], eps: float, nodes: int) -> float:
    """Log prior mass of {K < eps}, K being half the sum of squared monomials, under N(0, 1)^2.

    K grows with |w2|. So the mass is an integral over w1 of the mass of |w2| < height(w1); the trapezoidal rule in
    u = log |w1| takes it.
    """
    lowest = min(-20.0, np.log(eps) * 2)
    u = np.linspace(lowest, np.log(9.0), nodes)
    density = np.sqrt(2 / np.pi) * np.exp(u - np.exp(2 * u) / 2)
    inside = scipy.special.erf(_height(exponents, np.exp(u), eps) / np.sqrt(2))
    beyond = scipy.special.erf(np.exp(lowest) / np.sqrt(2)) * inside[0]  # |w1| below the first node
    return float(np.log(np.trapezoid(density * inside, u) + beyond))


def _height(exponents: tuple[tuple[int, int], ...], w1: Array, eps: float) -> Array:
    """|w2| up to which K < eps, 0 where K is higher from the start, inf where it never is: bisection in log |w2|."""
    low, high = np.full(w1.shape, -400.0), np.full(w1.shape, 5.0)

    def below(log_w2: Array) -> Array:
        terms = [np.exp(2 * (a * np.log(w1) + b * log_w2)) for a, b in exponents]
        return np.sum(terms, axis=0) / 2 < eps

    never, always = ~below(low), below(high)
    for _ in range(60):
        middle = (low + high) / 2
        under = below(middle)
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return np.where(never, 0.0, np.where(always, np.inf, np.exp(high)))


def _fitted(log_eps: Array, volumes: Array, m: int) -> Law:
    """Least squares; only the shift enters nonlinearly, and for m = 1 there is none."""

    def solved(shift: float) -> tuple[Array, float]:
        target = volumes - (m - 1) * np.log(shift - log_eps)
        design = np.column_stack([log_eps, np.ones_like(log_eps)])
        solution = np.linalg.lstsq(design, target, rcond=None)[0]
        return solution, float(np.sqrt(np.mean((design @ solution - target) ** 2)))

    shift = 0.0
    if m > 1:
        shift = float(
            scipy.optimize.minimize_scalar(lambda x: solved(x)[1], bounds=(0, 20), method="bounded").x
        )
    solution, misfit = solved(shift)
    return Law(float(solution[0]), m, misfit)


def _figure(found: dict[str, Any], log_eps: Array) -> Figure:
    with style.look():
        figure = Figure(figsize=(11, 6), layout="constrained")
        title = "Almost-optimal parameters: the region K < eps (red), and how its prior mass falls with eps"
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        axes = figure.subplots(2, len(found), height_ratios=(1, 0.9), sharex="row", sharey="row")
        for column, (name, (phase, volumes, law, _)) in zip(axes.T, found.items(), strict=True):
            _region(column[0], name, CASES[name])
            _decay(column[1], log_eps, volumes, phase.llc, law)
        axes[0, 0].set_ylabel("w2")
        axes[1, 0].set_ylabel("prior mass of K < eps")
    return figure


def _region(ax: Axes, name: str, exponents: tuple[tuple[int, int], ...]) -> None:
    side = np.linspace(-2, 2, 401)
    x, y = np.meshgrid(side, side)
    loss = sum(np.abs(x) ** (2 * a) * np.abs(y) ** (2 * b) for a, b in exponents) / 2
    ax.contourf(x, y, loss, levels=[-1, *sorted(DRAWN)], colors=REDS)
    ax.set(title=f"2 K = {name}", xlabel="w1", aspect="equal")


def _decay(ax: Axes, log_eps: Array, volumes: Array, llc: float, law: Law) -> None:
    ax.loglog(np.exp(log_eps), np.exp(volumes), color="#d7301f", lw=2, label="measured")
    anchored = volumes[0] + llc * (log_eps - log_eps[0])
    ax.loglog(np.exp(log_eps), np.exp(anchored), "--", color=style.INK, label=f"slope lambda = {llc:g}")
    ax.set_ylim(1e-12, 5)
    for eps, color in zip(sorted(DRAWN), REDS, strict=True):
        ax.axvline(eps, ymin=0.75, color=color, lw=2)
    ax.set_xticks([1e-12, 1e-8, 1e-4, 1], ["1e-12", "1e-8", "1e-4", "1"])
    ax.set_yticks([1e-9, 1e-6, 1e-3, 1], ["1e-9", "1e-6", "1e-3", "1"])
    ax.minorticks_off()
    ax.set_xlabel("eps, nats")
    ax.legend(loc="lower right", bbox_to_anchor=(0.9, 0), title=f"fit: {law.llc:.3f}, m = {law.multiplicity}")
