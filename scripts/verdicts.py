"""The default experiment: SGD's transitions beside the posterior's in superposition."""

from __future__ import annotations

import tempfile

from scripts.result import Result, table
from slt.pipeline.execute import run


def study() -> Result:
    with tempfile.TemporaryDirectory() as store:
        done = run([], store=store, progress=False)
        summary, config = done.summary, done.config
        figures = {
            f"verdicts_{name}.png": (done.path / "figures" / f"{name}.png").read_bytes()
            for name in ("loss", "occupancy", "weights", "verdicts")
        }
    data, training, sampler = config["data"], config["training"], config["posterior"]["sampler"]
    verdicts = [
        [row["from"], row["to"], f"**{row['verdict']}**", row["why"]] for row in summary["comparison"]
    ]
    steps = [
        [
            row["from"],
            row["to"],
            f"{row['count']} of {row['at_risk']}",
            f"{row['step']:,.0f} ({row['step_low']:,.0f} to {row['step_high']:,.0f})",
            f"{row['loss_drop']:.4f}",
        ]
        for row in summary["dynamical"]
    ]
    names = [phase["name"] for phase in summary["phases"]] + ["other"]
    shares = [
        [row["n"], *(f"{row['share'][name]:.3f} ± {row['error'][name]:.3f}" for name in names)]
        for row in summary["occupancy"]
    ]
    text = f"""# Superposition: which jumps do SGD and the posterior share?

{summary["headline"]}

`slt run`: c = 6, r = 2; loss unhalved, prior N(0, 1). SGD: {training["seeds"]} seeds, n = {training["n"]}, batches of
{training["batch_size"]}, rate {training["optimizer"]["learning_rate"]}, {training["steps"]:,} steps. Posterior:
{data["datasets"]} data sets x {sampler["repeats"]} repeats x {sampler["particles"]} particles, one ladder.

![SGD](verdicts_loss.png)
![Posterior](verdicts_occupancy.png)

## Verdicts

{table(["from", "to", "verdict", "why"], verdicts)}

## SGD, in steps

{table(["from", "to", "seeds", "step: median (central 95 % of seeds)", "loss drop"], steps)}

{" ".join(summary["notes"])}

## Posterior, share of each phase

{table(["n", *names], shares)}
"""
    numbers = {key: value for key, value in summary.items() if key != "provenance"}
    return Result(text, {"config": config, "summary": numbers}, figures)
