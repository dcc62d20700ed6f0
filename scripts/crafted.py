"""One-parameter wells, exact by quadrature: the two-bump picture, three wells, and degeneracy alone."""

from __future__ import annotations

import tempfile
from typing import Any

from scripts.results import Result, table
from slt.config.composition import compose
from slt.config.schema import experiment
from slt.pipeline.execute import run

MODULES = ("slt.models.crafted", "slt.posterior.quadrature", "slt.training.trainer", "slt.comparer.assemble")
PRESETS = ("two_bump", "three_wells", "degenerate")


def settings() -> list[dict[str, Any]]:
    return [experiment(compose([f"experiment={name}"]))[1] for name in PRESETS]


def study() -> Result:
    with tempfile.TemporaryDirectory() as store:
        found = {name: run([f"experiment={name}"], store=store, progress=False).summary for name in PRESETS}
    parts = ["# Crafted wells: what quadrature proves\n"]
    for name, summary in found.items():
        names = [phase["name"] for phase in summary["phases"]] + ["other"]
        shares = [
            [f"{row['n']:,}", *(f"{row['share'][p]:.4f}" for p in names)] for row in summary["occupancy"]
        ]
        crossings = [
            [
                row["from"],
                row["to"],
                f"{row['n']:,.0f}",
                *("none" if p["n"] is None else f"{p['n']:,.0f}" for p in row["predictions"]),
            ]
            for row in summary["bayesian"]
        ]
        parts.append(
            f"## {name}\n\n{summary['headline']}\n\n"
            + table(["from", "to", "equal shares at n", "formula, leading", "formula, with prior"], crossings)
            + "\n\n"
            + table(["n", *names], shares)
            + "\n"
        )
    numbers = {
        name: {key: value for key, value in summary.items() if key != "provenance"}
        for name, summary in found.items()
    }
    return Result("\n".join(parts), numbers)
