"""The thermodynamic path: lambda, its error and the multiplicity from one curve of log Z, E[K], Var[K] against nbeta.

`tempered_path` measures the curve, `power_law` fits it. For the population loss the path goes as many decades beyond
the onset as is asked for; on data it ends at nbeta = n, the posterior itself.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from slt.llc import flags as flag
from slt.llc.base import join, select
from slt.llc.problem import LLCProblem, newton_decrement
from slt.llc.smc import power_law
from slt.llc.smc.base import LOW, TemperedEstimator, check_localization, last
from slt.llc.smc.tempered_path import Curve
from slt.posterior.population import ALL_KINDS
from slt.records.base import Array, flag_names
from slt.records.llc import LLCEstimate

LOCALIZATIONS = (1e2, 1e4, 1e6)  # tried in turn, until nothing escapes ...
ON_DATA = (1.0, 10.0, 100.0)  # ... and where nbeta goes no further than n
MISFIT = 2.0  # chi^2 per degree of freedom above which the curve does not follow the power law
SPAN = 100.0  # the power law must be seen over at least this factor of nbeta
DECADES = ((4, 15.0), (LOW, 12.0), (np.inf, 8.0))  # up to so many dimensions, so many decades
PRIORS = ("local", "model")
FINE_BUDGET, FINE_MOST, FINE_ESS = 2**14, 4096, 0.97  # particles x dimension, at most; up to LOW dimensions


@dataclasses.dataclass(frozen=True)
class Thermodynamic(TemperedEstimator):
    """Tempered SMC from a prior to high inverse temperature, and the power law of its curve.

    Attributes:
      prior: "local", N(point, 1 / localization), or "model", the model's own: then the coefficient is the global
        one, and the point only sets the loss from which others count.
      localization: gamma; None: the first of 1e2, 1e4, 1e6 (on data 1, 10, 100) from which no draws escape to lower
        loss.
      decades: how far beyond the onset of tempering nbeta goes, for the population loss; None: 15 up to four
        dimensions, 12 up to ten, 8 beyond. Valleys grow longer for their width with nbeta, and moves decorrelate
        along them ever more slowly.
      particles: None: up to ten dimensions, where it is cheap and lambda often small, 2^14 / dimension, at most 4096,
        and then target_ess None means 0.97.
      mcmc_steps: HMC moves of each of three kinds between checks of the correlation; up to ten dimensions scaling
        moves besides.
      The others: see `TemperedEstimator`.
    """

    mcmc_steps: int = 2
    prior: str = "local"
    localization: float | None = None
    decades: float | None = None

    def __post_init__(self) -> None:
        if self.prior not in PRIORS:
            raise ValueError(f"prior must be one of {', '.join(PRIORS)}, not {self.prior!r}")
        check_localization(self.localization)
        if self.decades is not None and not 1 <= self.decades <= 30:
            raise ValueError(f"decades must lie between 1 and 30, not {self.decades}")
        super().__post_init__()

    def __call__(self, problem: LLCProblem, key: jax.Array) -> LLCEstimate:
        """One estimate for each point. The curve holds "log_z", "mean" (nbeta E[K]), "variance" (of nbeta K), each
        (point, repeat, level); info: "localization" (NaN: the model's prior), "onset" and "nbeta_low" (where the loss
        begins to matter and where the power law begins), "misfit" (chi^2 per degree of freedom), "probability" (of
        the multiplicity), "particles", "temperatures", "acceptance" and "correlation" of the last moves."""
        if self.prior == "model" or self.localization:
            return self._at(problem, None if self.prior == "model" else self.localization, key)
        todo = np.arange(problem.count)
        answers: dict[int, LLCEstimate] = {}
        grid = LOCALIZATIONS if problem.data is None else ON_DATA
        for i, gamma in enumerate(grid):
            points = jax.tree.map(lambda leaf, todo=todo: leaf[todo], problem.points)
            asked = dataclasses.replace(problem, points=points)
            estimate = self._at(asked, gamma, jax.random.fold_in(key, i))
            escaped = np.array(["escaped" in flag_names(status) for status in estimate.status])
            for row in np.flatnonzero(~escaped | (i + 1 == len(grid))).tolist():
                answers[int(todo[row])] = select(estimate, row)
            todo = todo[escaped]
            if not len(todo):
                break
        return join([answers[point] for point in range(problem.count)])

    def _at(self, problem: LLCProblem, gamma: float | None, key: jax.Array) -> LLCEstimate:
        decades = self.decades or next(far for most, far in DECADES if problem.dimension <= most)
        fine = self.fine(problem.dimension)
        curve = fine.tempered(problem, gamma, problem.observations, key, decades, True, ALL_KINDS)
        particles = fine.count(problem)
        fits = [self._fit(curve, i, particles, problem.dimension) for i in range(problem.count)]
        largest = np.array([np.nanmax(nbeta, initial=0.0) for nbeta in curve.nbeta])
        table = {name: np.array([getattr(one, name) for one in fits]) for name in power_law.PowerLaw._fields}
        flags = self._flags(problem, curve, table, largest)
        return LLCEstimate(
            **{name: table[name] for name in ("llc", "error", "low", "high", "multiplicity")},
            loss=np.asarray(problem.losses()),
            nbeta=curve.nbeta,
            curve={"log_z": curve.log_z, "mean": curve.mean, "variance": curve.variance},
            info={
                "localization": np.full(problem.count, np.nan if gamma is None else gamma),
                "onset": curve.onset,
                **{name: table[name] for name in ("nbeta_low", "misfit", "probability")},
                "particles": np.full(problem.count, float(particles)),
                "temperatures": np.isfinite(curve.nbeta).sum(axis=1).astype(float),
                "acceptance": last(curve, curve.acceptance).mean(axis=1),
                "correlation": last(curve, curve.correlation).mean(axis=1),
            },
            status=flags.status(),
        )

    def fine(self, dimension: int) -> Thermodynamic:
        """With the particles and temperatures of few dimensions, where particles are left open. Dense temperatures
        serve large populations alone: in small ones neighboring levels err together, more than the fit knows."""
        if dimension > LOW or self.particles is not None:
            return self
        particles = min(FINE_MOST, FINE_BUDGET // dimension)
        return dataclasses.replace(self, particles=particles, target_ess=self.target_ess or FINE_ESS)

    def _fit(self, curve: Curve, i: int, particles: int, dimension: int) -> power_law.PowerLaw:
        seen = np.isfinite(curve.nbeta[i])
        return power_law.fit(
            curve.nbeta[i, seen],
            curve.mean[i][:, seen],
            curve.variance[i][:, seen],
            particles,
            float(curve.onset[i]),
            dimension,
        )

    def _flags(
        self, problem: LLCProblem, curve: Curve, table: dict[str, Array], largest: Array
    ) -> flag.Flags:
        flags = flag.Flags(problem.count)
        beyond = curve.nbeta >= np.maximum(curve.onset, np.nan_to_num(table["nbeta_low"]))[:, None]
        lower = np.max(np.where(beyond, curve.lower.mean(axis=1), 0.0), axis=1)
        gain = np.asarray(newton_decrement(problem.full(1.0), problem.points, problem.selected))
        flag.common(flags, table["llc"], table["error"], largest, lower, gain)
        flat = ~(curve.onset < 1e40)
        flags.add("flat", flat, "the loss does not vary around the point")
        broken = curve.broken & ~flat
        flags.add("diverged", broken, "the loss is NaN or infinite under the prior")
        ended = ~curve.finished & ~flat & ~broken
        flags.add(
            "not decorrelated",
            ended & ~(largest >= SPAN * table["nbeta_low"]),
            [f"beyond nbeta = {nbeta:.2g} moves no longer decorrelate the draws" for nbeta in largest],
        )
        with np.errstate(invalid="ignore"):
            short = ~(largest >= SPAN * table["nbeta_low"]) & ~flat & ~broken
            bent = table["misfit"] > MISFIT
        flags.add(
            "power law",
            short,
            [
                f"seen only from nbeta = {low:.2g} to {high:.2g}"
                for low, high in zip(table["nbeta_low"], largest, strict=True)
            ],
        )
        flags.add(
            "power law", bent, [f"chi^2 per degree of freedom is {value:.2g}" for value in table["misfit"]]
        )
        return flags


def free_energy(estimate: LLCEstimate, n: float) -> tuple[Array, Array]:
    """(point,) F_n = -log Z at n observations and its standard error, nats: n L(point) less log of E[exp(-n K)].

    Within the measured range of nbeta by interpolation in log nbeta; beyond it by the power law with the estimate's
    lambda and multiplicity. For an estimate from `Thermodynamic` on the population loss. Raises ValueError for n <=
    0.
    """
    if not n > 0:
        raise ValueError(f"n counts observations and must be positive, not {n}")
    count, repeats, _ = estimate.curve["log_z"].shape
    value = np.empty((count, repeats))
    u = np.log(n)
    for i in range(count):
        seen = np.isfinite(estimate.nbeta[i])
        grid = np.log(estimate.nbeta[i, seen])
        for r in range(repeats):
            log_z = estimate.curve["log_z"][i, r, seen]
            slope = -(estimate.curve["mean"][i, r, seen])
            value[i, r] = _interpolated(u, grid, log_z, slope)
        if u > grid[-1]:
            gap = u - grid[-1]
            m = max(1, int(estimate.multiplicity[i]))
            value[i] -= estimate.llc[i] * gap - (m - 1) * np.log(u / grid[-1])
    mean = value.mean(axis=1)
    error = value.std(axis=1, ddof=1) / np.sqrt(repeats)
    beyond = np.maximum(0.0, u - np.log(np.nanmax(estimate.nbeta, axis=1))) * estimate.error
    return n * estimate.loss - mean, np.hypot(error, beyond)


def _interpolated(u: float, grid: Array, log_z: Array, slope: Array) -> float:
    """log Z at log nbeta = u: cubic between temperatures, with E[K] for slopes; the last value beyond them; below the
    first, where log Z is in proportion to nbeta, linear in nbeta."""
    if u <= grid[0]:
        return float(log_z[0] * np.exp(u - grid[0]))
    if u >= grid[-1]:
        return float(log_z[-1])
    from scipy.interpolate import CubicHermiteSpline

    return float(CubicHermiteSpline(grid, log_z, slope)(u))
