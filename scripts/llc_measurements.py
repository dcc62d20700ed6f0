"""One estimator on one case with a closed form: measured once, and kept.

Each measurement is kept under the hash of its code and settings, in runs/ with its curve and in
results/llc_truth.json as a number, and made again only when one of them changed.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from typing import Any, NamedTuple

import jax
import numpy as np

from scripts.llc_cases import Case, cases
from scripts.result import RESULTS, ROOT
from slt.llc.base import Estimator
from slt.llc.curvature import Hessian
from slt.llc.mcmc.metropolis import Metropolis
from slt.llc.mcmc.sgld import SGLD
from slt.llc.nested import Volume
from slt.llc.smc.base import LOW
from slt.llc.smc.regression import BetaRegression
from slt.llc.smc.thermodynamic import Thermodynamic
from slt.llc.smc.wbic import WBIC
from slt.records.base import from_dataset, to_dataset
from slt.records.llc import LLCEstimate
from slt.storage.code_version import code_version
from slt.storage.store import Recipe, Store

N = 1e6  # what the population loss stands for, where an estimator needs to know


class Way(NamedTuple):
    """An estimator, and up to how many dimensions it is tried (beyond, it takes too long or is not meant for it)."""

    estimator: Estimator
    most: int
    own_prior: Estimator | None = None


WAYS = {
    "thermodynamic": Way(Thermodynamic(), 10_000, Thermodynamic(prior="model")),
    "sgld": Way(SGLD(), 10_000),
    "mala": Way(Metropolis(), 10_000),
    "hmc": Way(Metropolis(algorithm="hmc"), 10),
    "volume": Way(Volume(), 10, Volume(localization=None)),
    "regression": Way(BetaRegression(n=N, localization=1.0), 50, BetaRegression(n=N)),
    "wbic": Way(WBIC(n=N), 100, WBIC(n=N)),
    "hessian": Way(Hessian(), 10_000),
}
GLOBAL = ("wbic",)  # knows no neighborhood: only where the point's coefficient is the global one
LOCAL = ("superposition", "two strata: the line")
COSTLY = ("Gaussian mixture of 2", "Gaussian mixture of 3")  # minutes a case, their loss being an integral
ENOUGH = 0.02  # standard error, as a share of the estimate, that the path must reach
CAREFUL = 64  # up to so many dimensions the path has 1024 particles and an effective sample size of 0.9


class Measurement(NamedTuple):
    """The estimate of a case; `recipe` names its record."""

    case: Case
    way: str
    recipe: str
    llc: float
    error: float
    multiplicity: int
    status: str
    seconds: float

    @property
    def truth(self) -> float:
        value = self.case.truth.llc
        assert value is not None
        return value

    @property
    def off(self) -> float:
        """Relative error."""
        return self.llc / self.truth - 1

    @property
    def relative_error(self) -> float:
        return self.error / self.truth


def applies(case: Case, way: str) -> bool:
    if way in ("volume", "regression", "wbic", "hmc") and case.name in COSTLY:
        return False
    if case.problem.dimension > WAYS[way].most or (way in GLOBAL and case.name.startswith(LOCAL)):
        return False
    return not case.own_prior or WAYS[way].own_prior is not None


def path(case: Case) -> Thermodynamic:
    """The thermodynamic path as each case gets it."""
    # within N(0, 1 / 100) the higher terms of tanh begin to matter ten decades after the first
    prior = "model" if case.own_prior or case.name.startswith("tanh") else "local"
    if case.name.startswith("Gaussian mixture"):
        return Thermodynamic(prior=prior, particles=512, target_ess=0.9, decades=12.0)
    if case.name.startswith("tanh") or LOW < case.problem.dimension <= CAREFUL:
        return Thermodynamic(prior=prior, particles=1024, target_ess=0.9)
    return Thermodynamic(prior=prior)


def measure(case: Case, way: str) -> Measurement:
    """The measurement, made unless it is known; a thermodynamic path whose error is over 2 % is made again with four
    times the particles, but not for mixtures, for which that would take hours."""
    options = WAYS[way]
    if way != "thermodynamic":
        chosen = options.own_prior if case.own_prior and options.own_prior else options.estimator
        return _known_as(case, way, chosen) or _made(case, way, chosen)
    once = path(case).fine(case.problem.dimension)
    again = dataclasses.replace(once, particles=4 * once.count(case.problem))
    known = _known_as(case, way, again) or _known_as(case, way, once)
    if known:
        return known
    first = _made(case, way, once)
    enough = first.error <= ENOUGH * first.llc or case.name in COSTLY
    return first if enough else _made(case, way, again)


def _recipe(case: Case, way: str, estimator: Estimator) -> Recipe:
    config = {
        "case": case.name,
        "model": repr(case.model),
        "phase": case.truth.name,
        "way": way,
        "options": dataclasses.asdict(estimator),  # type: ignore[call-overload]
    }
    modules = sorted({type(estimator).__module__, type(case.model).__module__})
    return Recipe("llc-truth", config, {}, code_version(modules))


def _known_as(case: Case, way: str, estimator: Estimator) -> Measurement | None:
    """From the last results."""
    recipe = _recipe(case, way, estimator)
    known = _known().get(recipe.name)
    if known is None:
        return None
    llc, error = (np.nan if known[name] is None else known[name] for name in ("llc", "error"))
    found, status = known["multiplicity_found"], known["status"]
    return Measurement(case, way, recipe.name, llc, error, found, status, known["seconds"])


def _made(case: Case, way: str, estimator: Estimator) -> Measurement:
    """Measured now, unless its record lies in runs/."""
    recipe = _recipe(case, way, estimator)
    store = Store(ROOT / "runs")
    if not store.has(recipe.name):
        started = time.monotonic()
        estimate = estimator(case.problem, jax.random.key(cases_by_name()[case.name]))
        seconds = time.monotonic() - started
        store.write(recipe, {"estimate": to_dataset(estimate)}, {"seconds": seconds})
        jax.clear_caches()  # hundreds of compiled programs would exhaust the memory that code may live in
    record = store.read(recipe.name)
    estimate = from_dataset(LLCEstimate, record.array("estimate"))
    return Measurement(
        case,
        way,
        recipe.name,
        float(estimate.llc[0]),
        float(estimate.error[0]),
        int(estimate.multiplicity[0]),
        str(estimate.status[0]),
        float(record.meta["seconds"]),
    )


@functools.cache
def _known() -> dict[str, dict[str, Any]]:
    """Numbers of the last results, by recipe."""
    file = RESULTS / "llc_truth.json"
    found = json.loads(file.read_text()) if file.exists() else {}
    return {row["recipe"]: row for way in WAYS for row in found.get(way, [])}


def cases_by_name() -> dict[str, int]:
    return {case.name: i for i, case in enumerate(cases())}
