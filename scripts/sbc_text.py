"""results/sbc.md: the rule, the verdicts and the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student

from scripts.result import table
from scripts.sbc_cases import CASES
from scripts.sbc_ranks import ALARM, threshold
from scripts.sbc_references import PUBLISHED, REPEATS, Moments
from scripts.sbc_samplers import BATCH, BURN_IN, DRAWS, LADDERS, SAMPLE_SIZES, STEPS, N


def verdicts(rows: Sequence[Any], limit: float) -> list[list[str]]:
    """A line for each case and sampler: its p-values, and whether all reach `limit`."""
    lines = []
    for case, sampler in dict.fromkeys((row.case, row.sampler) for row in rows):
        mine = [row for row in rows if (row.case, row.sampler) == (case, sampler)]
        ps = ", ".join(f"{row.quantity} {row.p:.2g}" for row in mine)
        failed = [row.quantity for row in mine if row.p < limit]
        count = sum(mine[0].counts)
        ok = f"{mine[0].ok} of {count}"
        lines.append([case, sampler, ps, ok, f"**fails**: {', '.join(failed)}" if failed else "calibrated"])
    return lines


def markdown(
    exact: Sequence[Any],
    controls: Sequence[Any],
    sides: Sequence[Any],
    biases: Sequence[Any],
    agreements: Sequence[Any],
    schools: Moments,
) -> str:
    limit = threshold(len(exact))
    lines, caught = verdicts(exact, limit), verdicts(controls, limit)
    failed = [f"{sampler} on {case}" for case, sampler, *_, verdict in lines if "fails" in verdict]
    held = len(lines) - len(failed)
    models = "\n".join(
        f"* **{case.name}**: {case.kind}; prior scale {case.scale:g}; ranked are "
        f"{', '.join(case.quantities(case.model.sample_prior(_key())))} and the log likelihood"
        for case in CASES
    )
    return f"""# Are the samplers calibrated?

![Rank histograms of every sampler on every model](sbc.png)

**{held} of {len(lines)} pairs of a model and a sampler that claims exactness are calibrated.**
{f"Not: {'; '.join(failed)}." if failed else ""}
Of {len(caught)} wrong posteriors put in as controls {sum("fails" in line[-1] for line in caught)} are caught.

Simulation-based calibration (Talts et al. 2018, arXiv:1804.06788): draw w from the prior, data from p(x | w), and
{DRAWS} independent draws from the posterior; the rank of w among them is uniform if the sampler is exact, on every
test quantity. {sum(exact[0].counts)} replications on each model, {N} observations each, the same for all samplers.
The log likelihood of the data is ranked as well, since parameters alone cannot tell the posterior from the prior
(Modrák et al. 2023, arXiv:2211.02383).

{models}

**Rule.** For each histogram the p-value of the ECDF's largest excursion, simultaneous over ranks (gamma of
Säilynoja et al. 2022, arXiv:2103.10522, its distribution simulated). A sampler fails on a model if any of its
p-values is below {limit:.1e}: {ALARM:g} shared among the {len(exact)} histograms of this table, so that exact
samplers would all pass together in at least {1 - ALARM:.0%} of such studies.

**Independent draws.** Nodes of quadrature and particles are resampled by weight, {DRAWS} out of
{LADDERS["SMC"][0].draws_per_n} particles; NUTS is thinned, every {_spacing()}th draw of {_chains()} chains. HMC
and MALA of `slt.llc` run {DRAWS} chains, of which only the last position counts, after {BURN_IN["hmc"]} tuning and
{STEPS["hmc"]} further steps (MALA {BURN_IN["mala"]} and {STEPS["mala"]}). Their target, localized at the origin with
the prior's precision at nbeta = n, is the posterior. Data tempering samples n = {", ".join(map(str, SAMPLE_SIZES))}
in one pass.

{table(["model", "sampler", "p-values", "status ok", "verdict"], lines)}

## Controls: what must fail, and does it?

The prior taken for the posterior has uniform ranks in every parameter; only the log likelihood can tell.

{table(["model", "in place of the posterior", "p-values", "status ok", "verdict"], caught)}

## Which side? Two modes

Share of draws on one side of the two modes, against quadrature: root mean square of its error over replications, and
what {DRAWS} independent draws would have. A sampler far above that does not weigh the modes. (tanh: the sign of a;
mixtures: the sign of b_2 - b_1.)

{_sides(sides)}

{_why(lines, failed)}

## SGLD is biased

Chains of `slt.llc` without a Metropolis test, {STEPS["sgld"]} steps from the origin, at fixed step sizes in units of
1 / (n + gamma), with exact gradients and with batches of {BATCH} of {N} observations. "off" is the error of the
posterior mean of n L_n, in posterior standard deviations, averaged over replications (those in which no chain
diverged), against quadrature. After small steps chains still depend on their start; large steps, and the noise of
batches, act like a higher temperature.

{_biases(biases)}

## Posteriors known exactly

Mean, and variance about the exact mean, of every quantity; standard errors from {REPEATS} independent repeats or
chains. The p-value is Student's for the largest deviation, times the number of moments.

{_agreements(agreements)}

Eight schools (Rubin 1981), non-centered, through the numpyro adapter, with posteriordb's priors: mu ~ N(0, 5²), tau ~
half-Cauchy(5). Exact: all but tau integrated in closed form, tau by Gauss-Legendre quadrature. posteriordb's means
(eight_schools-eight_schools_noncentered, `mean_value`, with its Monte Carlo standard errors) agree with it.

{_schools(agreements, schools)}
"""


def _why(lines: Sequence[Sequence[str]], failed: Sequence[str]) -> str:
    """Why chains fail, where they do; the status of NUTS shows it, chains of `slt.llc` have none."""
    if not failed:
        return ""
    statuses = ", ".join(f"{line[3]} on {line[0]}" for line in lines if line[1] == "NUTS")
    return f"""**Why chains fail** ({"; ".join(failed)}). Each move leaves the posterior as it is, but a chain that
cannot cross between two modes stays in the one it first reaches, whatever that mode's mass. Over replications chains
land on either side about as often as the truth does, which leaves the parameters' ranks nearly uniform; but draws in
the wrong mode have too low a likelihood, so that the true value ranks too high. SMC and data tempering weigh the
modes.
NUTS starts from prior draws, and its record tells: status ok was
{statuses}.
The chains of `slt.llc` are for one point's neighborhood, all start at it, and have no such status here."""


def _key() -> Any:
    import jax

    return jax.random.key(0)


def _spacing() -> int:
    sampler: Any = LADDERS["NUTS"][0]
    return sampler.samples * sampler.chains // DRAWS


def _chains() -> int:
    sampler: Any = LADDERS["NUTS"][0]
    return sampler.chains


def _sides(rows: Sequence[Any]) -> str:
    cases = list(dict.fromkeys(row.case for row in rows))
    samplers = list(dict.fromkeys(row.sampler for row in rows))
    off = {(row.case, row.sampler): row for row in rows}
    lines = [
        [case, f"{off[case, samplers[0]].expected:.3f}", *(f"{off[case, s].off:.3f}" for s in samplers)]
        for case in cases
    ]
    return table(["model", "independent draws", *samplers], lines)


def _biases(rows: Sequence[Any]) -> str:
    lines = []
    for case, step in dict.fromkeys((row.case, row.step) for row in rows):
        cells: list[str] = [case, f"{step:g}"]
        for row in (row for row in rows if (row.case, row.step) == (case, step)):
            diverged = f", {row.diverged} diverged" if row.diverged else ""
            cells += [f"{row.off:+.2f} ± {row.error:.2f}{diverged}", f"{row.p:.2g}"]
        lines.append(cells)
    return table(["model", "step", "off", "least p", "off, batches", "least p"], lines)


def _agreements(rows: Sequence[Any]) -> str:
    lines = []
    for reference, sampler in dict.fromkeys((row.reference, row.sampler) for row in rows):
        z = np.array([row.z for row in rows if (row.reference, row.sampler) == (reference, sampler)])
        p = min(1.0, float(len(z) * 2 * student.sf(np.abs(z).max(), REPEATS - 1)))
        line = [
            reference,
            sampler,
            len(z),
            f"{np.sqrt(np.mean(z**2)):.2f}",
            f"{np.abs(z).max():.2f}",
            f"{p:.2g}",
        ]
        lines.append([*line, "agrees" if p >= ALARM else "**differs**"])
    header = ["posterior", "sampler", "moments", "rms deviation / error", "largest", "p", "verdict"]
    return table(header, lines)


def _schools(rows: Sequence[Any], schools: Moments) -> str:
    samplers = list(dict.fromkeys(row.sampler for row in rows if row.reference == "eight schools"))
    lines = []
    for quantity, (mean, deviation) in schools.items():
        published, error = PUBLISHED[quantity]
        cells = [quantity, f"{mean:.4f}", f"{deviation:.4f}", f"{published:.3f} ± {error:.3f}"]
        for sampler in samplers:
            mine = {
                row.moment: row
                for row in rows
                if (row.reference, row.sampler, row.quantity) == ("eight schools", sampler, quantity)
            }
            m, v = mine["mean"], mine["variance"]
            root = v.found**0.5
            cells.append(f"{m.found:.3f} ± {m.error:.3f}; {root:.3f} ± {v.error / (2 * root):.3f}")
        lines.append(cells)
    header = ["", "exact mean", "exact sd", "posteriordb's mean", *(f"{s}: mean; sd" for s in samplers)]
    return table(header, lines)
