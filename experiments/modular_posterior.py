"""The posterior of addition modulo p at increasing n, and what its draws know: what two studies share."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from experiments.modular import accuracies, counts
from slt.models import datasets
from slt.models.base import phase_names
from slt.models.modular_addition import ModularAddition
from slt.phases.classification import label_ladder
from slt.phases.local_free_energy import local_free_energy
from slt.posterior.data_tempering import DataTempering
from slt.records.base import OK, Array
from slt.runtime.long_computation import drive

AGREE = 5.0  # nats that the free energies of repeats may differ by


def draw(model: ModularAddition, size: int, datasets: int) -> Any:
    """Pairs with leading axes (dataset, observation)."""
    return jax.vmap(lambda key: model.sample(key, size))(jax.random.split(jax.random.key(0), datasets))


def posterior_by_n(
    model: ModularAddition, data: Any, sample_sizes: tuple[int, ...], sampler: DataTempering
) -> list[dict[str, Any]]:
    """A row for each sample size: accuracies, shares of phases with their free energies, and whether the repeats may
    be trusted. Lists run over data sets, inner ones over repeats."""
    ladder = drive(sampler.stage(model, data, sample_sizes), jax.random.key(1))
    occupancy = label_ladder(model, ladder, ordered=False)
    local = local_free_energy(occupancy)
    names = phase_names(model)[:-1]
    rows = []
    for i, n in enumerate(sample_sizes):
        seen = counts(model, datasets.first(data, n))
        shape = ladder.loss[:, i].shape
        flat = {
            name: leaf[:, i].reshape(shape[0], -1, *leaf.shape[4:]) for name, leaf in ladder.draws.items()
        }
        train, test = (accuracy.reshape(shape).mean(axis=2) for accuracy in accuracies(model, flat, seen))
        free = occupancy.free_energy[:, i]
        rows.append(
            {
                "n": n,
                "draws": shape[2],
                "unseen": (seen == 0).sum(axis=1).tolist(),
                "train": plain(train),
                "test": plain(test),
                "share": {name: plain(occupancy.share[:, i, :, k]) for k, name in enumerate(names)},
                "free_energy": plain(free),
                "free_energy_of": {
                    name: plain(np.where(local.bound[:, i, :, k], np.nan, local.value[:, i, :, k]))
                    for k, name in enumerate(names)
                },
                "status": ladder.status[:, i].tolist(),
                "trusted": bool((ladder.status[:, i] == OK).all() and np.ptp(free, axis=1).max() <= AGREE),
            }
        )
    return rows


def plain(values: Array) -> Any:
    """Nested lists of four decimals; None where there is no number."""
    if values.ndim:
        return [plain(value) for value in values]
    return round(float(values), 4) if np.isfinite(values) else None


def mean(values: Any) -> float:
    """Of all numbers in nested lists; what is missing is left out."""
    flat = np.array(
        [np.nan if value is None else value for value in np.ravel(np.array(values, object))], float
    )
    return float(np.nanmean(flat)) if np.isfinite(flat).any() else float("nan")
