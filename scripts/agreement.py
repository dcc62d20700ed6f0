"""Do data tempering and numpyro's NUTS agree on the occupancy of every phase?"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from scripts.result import Result, table
from slt.models.base import phase_names
from slt.models.superposition import Superposition
from slt.phases.classification import label_ladder
from slt.posterior.data_tempering import DataTempering
from slt.posterior.nuts import NUTS
from slt.records.phases import Occupancy
from slt.runtime.long_computation import drive

NS = (100, 200, 300, 400, 600)
COMPARED = (300, 400, 600)
LADDER = DataTempering(particles=1024, repeats=16)
CHAINS = NUTS(chains=24, warmup=500, samples=3000)
DATASETS = 3


def study() -> Result:
    model = Superposition()
    names = phase_names(model)
    keys = jax.random.split(jax.random.key(0), DATASETS)
    data = jax.vmap(lambda key: model.sample(key, NS[-1]))(keys)
    ladder = drive(LADDER.stage(model, data, NS), jax.random.key(1))
    nuts = drive(CHAINS.stage(model, data, COMPARED), jax.random.key(2))
    a, b = (
        label_ladder(model, ladder, ordered=False),
        label_ladder(model, nuts, ordered=True),
    )
    rows: list[list[Any]] = []
    numbers: list[dict[str, Any]] = []
    for d in range(DATASETS):
        for i, n in enumerate(COMPARED):
            smc, chains = _shares(a, d, NS.index(n)), _shares(b, d, i)
            r_hat = float(nuts.info["r_hat"][d, i, 0])
            for phase, name in enumerate(names):
                if max(smc[0][phase], chains[0][phase]) < 0.001:
                    continue
                combined = float(np.hypot(smc[1][phase], chains[1][phase]))
                gap = float(abs(smc[0][phase] - chains[0][phase]))
                visited = int(np.sum(b.visits[d, i, :, phase] > 0))
                numbers.append(
                    {"dataset": d, "n": n, "phase": name, "smc": smc[0][phase], "nuts": chains[0][phase]}
                    | {"combined_error": combined, "gap": gap, "chains": visited, "r_hat": r_hat}
                )
                rows.append(
                    [
                        d,
                        n,
                        name,
                        f"{smc[0][phase]:.3f} +- {smc[1][phase]:.3f}",
                        f"{chains[0][phase]:.3f} +- {chains[1][phase]:.3f}",
                        f"{gap / combined:.1f}",
                        f"{visited} of {CHAINS.chains}",
                        f"{r_hat:.3f}",
                    ]
                )
    within = np.mean([row["gap"] <= 3 * row["combined_error"] for row in numbers])
    largest = max(row["combined_error"] for row in numbers)
    few = min(row["chains"] for row in numbers)
    text = f"""# The ladder beside NUTS

Superposition, c = 6, r = 2, {DATASETS} data sets. The ladder: {LADDER.repeats} repeats of {LADDER.particles}
particles through n = {", ".join(map(str, NS))}. numpyro's NUTS: {CHAINS.chains} chains of {CHAINS.samples} draws
after {CHAINS.warmup} of warm-up, from prior draws. Standard errors from the scatter of repeats and of chains. Phases
under 0.1 % in both are left out. Of {len(rows)} occupancies, {within:.0%} agree within 3 combined errors. The
largest combined error is {largest:.3f}; every phase was visited by at least {few} chains. R-hat is of the loss.

{table(["data set", "n", "phase", "ladder", "NUTS", "gap / error", "chains that visited", "R-hat"], rows)}
"""
    return Result(text, {"rows": numbers})


def _shares(occupancy: Occupancy, d: int, n_index: int) -> tuple[list[float], list[float]]:
    share = occupancy.share[d, n_index]
    error = share.std(axis=0, ddof=1) / np.sqrt(len(share))
    return share.mean(axis=0).tolist(), error.tolist()
