"""Simulation-based calibration of every sampler, the bias of SGLD, and posteriors that are known exactly."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from scripts import sbc_figure, sbc_ranks, sbc_text
from scripts.result import Result
from scripts.sbc_cases import CASES, LOG_LIKELIHOOD, Case, Replications, replicate
from scripts.sbc_references import compare, eight_schools_exactly, references
from scripts.sbc_samplers import BATCH, DRAWS, Drawn, N, by_chains, by_langevin, drawn_from, sample_ladder
from slt.records.base import OK
from slt.records.posterior import Ladder
from slt.runtime.random_keys import named_key

SEED = 0
REPLICATIONS = 200
STEPS = (0.03, 0.1, 0.3, 1.0)  # SGLD's, in units of 1 / (n + gamma)
TEMPERED = 0.5


class Histogram(NamedTuple):
    """The ranks of one quantity (rank -> replications), their p-value, and how many replications had status ok."""

    case: str
    sampler: str
    quantity: str
    counts: list[int]
    p: float
    ok: int


class Sides(NamedTuple):
    """How far a sampler's share of draws on one side of two modes is from the exact one: root mean square over
    replications, and what as many independent draws would give."""

    case: str
    sampler: str
    off: float
    expected: float


class Bias(NamedTuple):
    """SGLD at one step size: the mean of n L_n less the exact one, in posterior standard deviations, averaged over
    replications; its standard error; the least p of its histograms; replications with a chain that diverged."""

    case: str
    step: float
    batch: int | None
    off: float
    error: float
    p: float
    diverged: int


def study() -> Result:
    exact: list[Histogram] = []
    controls: list[Histogram] = []
    biased: list[Histogram] = []
    sides: list[Sides] = []
    biases: list[Bias] = []
    for case in CASES:
        made = replicate(case, named_key(SEED, "sbc", case.name), REPLICATIONS, N)
        quadrature = sample_ladder("quadrature", case, made, named_key(SEED, "sbc", case.name, "quadrature"))
        for name, drawn in samplers(case, made, quadrature):
            exact += histograms(case, made, name, drawn)
            if case.sides is not None and drawn.n == N:
                sides.append(shares(case, quadrature, name, drawn))
        for name, drawn in wrong(case, quadrature):
            controls += histograms(case, made, name, drawn)
        for batch in (None, BATCH) if case.bridged else ():
            key = named_key(SEED, "sbc", case.name, "sgld", str(batch))
            for step, drawn in zip(STEPS, by_langevin(STEPS, batch, case, made, key), strict=True):
                found = histograms(case, made, f"SGLD, step {step:g}{', batches' if batch else ''}", drawn)
                biased += found
                biases.append(bias(case, made, quadrature, drawn, step, batch, found))
        jax.clear_caches()  # each model has compiled programs of its own
    agreements = [
        row
        for reference in references()
        for name in reference.samplers
        for row in compare(reference, name, named_key(SEED, "sbc", reference.name, name))
    ]
    schools = eight_schools_exactly()
    return Result(
        sbc_text.markdown(exact, controls, sides, biases, agreements, schools),
        {
            "replications": REPLICATIONS,
            "draws": DRAWS,
            "exact": [row._asdict() for row in exact],
            "controls": [row._asdict() for row in controls],
            "sides": [row._asdict() for row in sides],
            "sgld": [row._asdict() for row in biased],
            "sgld_bias": [row._asdict() for row in biases],
            "references": [row._asdict() | {"z": row.z} for row in agreements],
            "eight_schools": schools,
        },
        {"sbc.png": sbc_figure.png(exact, [*controls, *biased], sbc_ranks.threshold(len(exact)))},
    )


def samplers(case: Case, made: Replications, quadrature: Ladder) -> list[tuple[str, Drawn]]:
    """What every sampler that claims exactness draws, data tempering at each sample size."""
    found = [("quadrature", drawn_from(quadrature, named_key(SEED, "sbc", case.name, "nodes"))[0])]
    for name in ("SMC", "ladder", "NUTS"):
        sampling, drawing = jax.random.split(named_key(SEED, "sbc", case.name, name))
        by_n = drawn_from(sample_ladder(name, case, made, sampling), drawing, ordered=name == "NUTS")
        found += [(f"ladder, n = {one.n}" if name == "ladder" else name, one) for one in by_n]
    for name in ("HMC", "MALA"):
        found.append((name, by_chains(name.lower(), case, made, named_key(SEED, "sbc", case.name, name))))
    return found


def wrong(case: Case, quadrature: Ladder) -> list[tuple[str, Drawn]]:
    """What must be caught: the prior in place of the posterior, and the posterior at another temperature."""
    first, second = jax.random.split(named_key(SEED, "sbc", case.name, "wrong"))
    count = len(quadrature.loss)
    prior = jax.vmap(jax.vmap(case.model.sample_prior))(jax.random.split(first, (count, DRAWS)))
    log_weights = quadrature.log_weights + (1 - TEMPERED) * N * quadrature.loss
    log_weights -= log_weights.max(axis=-1, keepdims=True)
    tempered = dataclasses.replace(quadrature, log_weights=log_weights)
    return [
        ("the prior", Drawn(N, prior, np.full(count, OK))),
        (f"the posterior at beta = {TEMPERED:g}", drawn_from(tempered, second)[0]),
    ]


def histograms(case: Case, made: Replications, sampler: str, drawn: Drawn) -> list[Histogram]:
    """One for each test quantity of the case."""

    @jax.jit
    @jax.vmap
    def ranked(w: Any, draws: Any, data: Any) -> Any:
        return case.ranked(w, data, drawn.n), jax.vmap(lambda v: case.ranked(v, data, drawn.n))(draws)

    truth, draws = ranked(made.w, jax.tree.map(jnp.asarray, drawn.w), made.data)
    rng = np.random.default_rng(0)  # breaks ties
    ok = int(np.sum(drawn.status == OK))
    found = []
    for quantity in truth:
        ranks = sbc_ranks.ranks(np.asarray(truth[quantity]), np.asarray(draws[quantity]), rng)
        counts = np.bincount(ranks, minlength=DRAWS + 1)
        found.append(Histogram(case.name, sampler, quantity, counts.tolist(), sbc_ranks.p_value(counts), ok))
    return found


def shares(case: Case, quadrature: Ladder, sampler: str, drawn: Drawn) -> Sides:
    """See `Sides`."""
    name = case.sides
    assert name is not None
    side = jax.jit(jax.vmap(jax.vmap(lambda w: case.quantities(w)[name] > 0)))
    nodes = {site: jnp.asarray(leaf[:, 0, 0]) for site, leaf in quadrature.draws.items()}
    exact = np.sum(np.exp(quadrature.log_weights[:, 0, 0]) * np.asarray(side(nodes)), axis=1)
    off = np.asarray(side(jax.tree.map(jnp.asarray, drawn.w))).mean(axis=1) - exact
    expected = np.sqrt(np.mean(exact * (1 - exact)) / DRAWS)
    return Sides(case.name, sampler, float(np.sqrt(np.mean(off**2))), float(expected))


def bias(
    case: Case,
    made: Replications,
    quadrature: Ladder,
    drawn: Drawn,
    step: float,
    batch: int | None,
    found: list[Histogram],
) -> Bias:
    """The error of the mean of n L_n; see `Bias`."""
    weights, energy = np.exp(quadrature.log_weights[:, 0, 0]), N * quadrature.loss[:, 0, 0]
    mean = np.sum(weights * energy, axis=1)
    deviation = np.sqrt(np.sum(weights * (energy - mean[:, None]) ** 2, axis=1))
    energies = jax.jit(
        jax.vmap(lambda ws, d: jax.vmap(lambda w: -case.ranked(w, d, drawn.n)[LOG_LIKELIHOOD])(ws))
    )
    ok = drawn.status == OK
    off = ((np.asarray(energies(drawn.w, made.data)).mean(axis=1) - mean) / deviation)[ok]
    error = off.std(ddof=1) / np.sqrt(ok.sum())
    least = min(row.p for row in found)
    return Bias(case.name, step, batch, float(off.mean()), float(error), least, int(np.sum(~ok)))
