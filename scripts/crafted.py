"""One-parameter wells, exact by quadrature: the two-bump picture, three wells, and degeneracy alone."""

from __future__ import annotations

import tempfile

from scripts.result import Result, table
from slt.pipeline.execute import run

PRESETS = ("experiment=two_bump", "experiment=three_wells", "experiment=degenerate")


def study() -> Result:
    with tempfile.TemporaryDirectory() as store:
        found = {
            preset.partition("=")[2]: run([preset], store=store, progress=False).summary for preset in PRESETS
        }
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
