"""The posterior's cost against n, and effective draws a second beside numpyro's NUTS."""

from __future__ import annotations

from scripts.benchmarks import ladder, machine, shown
from scripts.result import Result, table


def study() -> Result:
    cost_rows, cost_numbers = shown(ladder.cost_against_n())
    nuts_rows, nuts_numbers = shown(ladder.against_nuts())
    text = f"""# What the posterior costs

Measured on {machine()}, nothing else running.

## The posterior's cost against n

From the prior to the posterior at n at one sample size, {ladder.PARTICLES:,} particles in two populations. Every
tenfold n adds as many temperatures; what matters is whether one of them takes more moves there, and a move more time.
Medians of {ladder.ROUNDS} rounds over all n in turn, and their range.

{table(["n", "seconds", "temperatures", "ms a move", "seconds / log n"], cost_rows)}

## Effective draws a second, beside NUTS

How well the share of 6-gons is known: p (1 - p) / variance, for each second of work. The ladder is the whole ladder
up to n, its variance that of {ladder.OCCUPANCY_REPEATS} independent populations; NUTS is numpyro's on the direct sum
over observations, {ladder.CHAINS} vectorized chains of {ladder.WARMUP} + {ladder.DRAWS} draws that start at draws
from the prior. Both without compilation.

{table(ladder.NUTS_HEADER, nuts_rows)}
"""
    return Result(text, {"machine": machine(), "cost": cost_numbers, "nuts": nuts_numbers})
