"""Three tanh units and nothing to learn: which of them are still in use, as n grows and along SGD?"""

from __future__ import annotations

import tempfile
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from experiments.finding import Finding
from experiments.learners import n_axis, step_axis
from experiments.statistics import mean_and_error
from slt.models.tanh_network import learning_coefficient
from slt.pipeline.execute import run
from slt.pipeline.outputs import outputs
from slt.records.base import Array
from slt.report import style

CLAIM = "Units that the truth does not need fall out of use as n grows, at lambda instead of d/2, and in SGD alike."
SOURCE = (
    "Aoyagi and Watanabe 2005, Aoyagi 2006 for lambda; that SGD drops units that are not needed is a common claim "
    "without a source"
)
USED = 0.1  # root mean square output of a unit that counts as used; the noise of one observation has 1
FEW = (
    "model.hidden=1",
    "training.seeds=8",
    "training.steps=500",
    "training.checkpoints=10",
    "posterior.sample_sizes=[10,300,10000]",
    "posterior.sampler.particles=64",
    "posterior.sampler.mcmc_steps=2",
    "posterior.sampler.max_rounds=1",
)


class Measured(NamedTuple):
    """Used units and free energy.

    Attributes:
      sample_sizes, free, error: (n,) free energy, nats, the mean over repeats and its standard error.
      posterior: (n, repeat) mean number of used units. `steps`, `sgd`: (checkpoint,), and (seed, checkpoint).
    """

    sample_sizes: Array
    free: Array
    error: Array
    posterior: Array
    steps: Array
    sgd: Array


def study(reduced: bool = False) -> Finding:
    """Three questions. Does the free energy grow like lambda log n - (m - 1) log log n over the upper half of the
    ladder, to three standard errors or 0.05? Does the posterior use fewer than half a unit at the largest n? And SGD
    at its end, by two standard errors? Holds where all answers are yes; fails where the last two are no; else mixed.
    """
    hidden = 1 if reduced else 3
    found = _measured(*(FEW if reduced else ()))
    llc, multiplicity = learning_coefficient(hidden)
    slope, error = _coefficient(found, multiplicity)
    cheap = abs(slope - llc) < max(3 * error, 0.05)
    posterior, posterior_error = mean_and_error(found.posterior[-1])
    sgd, sgd_error = mean_and_error(found.sgd[:, -1])
    posterior_drops, sgd_drops = posterior < 0.5, sgd + 2 * sgd_error < 0.5
    verdict = "holds" if cheap and posterior_drops and sgd_drops else "mixed"
    return Finding(
        verdict=verdict if posterior_drops or sgd_drops else "fails",
        numbers=f"in use of {hidden} units: posterior {found.posterior[0].mean():.2f} at n = "
        f"{found.sample_sizes[0]:,}, {posterior:.2f} +- {posterior_error:.2f} at n = {found.sample_sizes[-1]:,}; "
        f"SGD {found.sgd[:, 0].mean():.2f} at first, {sgd:.2f} +- {sgd_error:.2f} after {found.steps[-1]:,} steps; "
        f"lambda {slope:.3f} +- {error:.3f} (theory {llc:.3f}, d/2 = {hidden})",
        figure=_figure(found, hidden),
        data={
            "n": found.sample_sizes.tolist(),
            "free energy": found.free.tolist(),
            "free energy error": found.error.tolist(),
            "used by the posterior": found.posterior.mean(axis=1).tolist(),
            "step": found.steps.tolist(),
            "used by SGD": found.sgd.mean(axis=0).tolist(),
            "lambda": [slope, error, llc],
        },
    )


def _measured(*overrides: str) -> Measured:
    with tempfile.TemporaryDirectory() as store:
        done = run(["experiment=tanh", *overrides], store=store, progress=False)
        stored = outputs(done)
        ladder, trajectory = stored.get("posterior"), stored.get("training")
    free = -ladder.log_evidence[0]
    return Measured(
        sample_sizes=ladder.sample_sizes,
        free=free.mean(axis=1),
        error=free.std(axis=1, ddof=1) / np.sqrt(free.shape[1]),
        posterior=_used(ladder.draws)[0].mean(axis=-1),
        steps=trajectory.steps,
        sgd=_used(trajectory.params),
    )


def _used(params: dict[str, Array]) -> Array:
    """How many units' outputs b tanh(a x) have a root mean square above `USED` over the inputs."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    squares = [weight / 2 * np.tanh(params["a"] * x) ** 2 for x, weight in zip(nodes, weights, strict=True)]
    return np.sum(np.abs(params["b"]) * np.sqrt(np.sum(squares, axis=0)) > USED, axis=-1)


def _coefficient(found: Measured, multiplicity: int) -> tuple[float, float]:
    """Slope of F_n + (m - 1) log log n in log n over the upper half of the ladder, from its ends, and its error."""
    ends = [len(found.sample_sizes) // 2, -1]
    log_n = np.log(found.sample_sizes[ends])
    free = found.free[ends] + (multiplicity - 1) * np.log(log_n)
    rise = float(np.diff(log_n)[0])
    return float(np.diff(free)[0]) / rise, float(np.hypot(*found.error[ends])) / rise


def _figure(found: Measured, hidden: int) -> Figure:
    with style.look():
        figure = Figure(figsize=(10, 3.8), layout="constrained")
        sgd, posterior = figure.subplots(1, 2, sharey=True)
        title = f"{hidden} tanh units with nothing to learn: how many are still in use?"
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        mean, error = found.sgd.mean(axis=0), found.sgd.std(axis=0, ddof=1) / np.sqrt(len(found.sgd))
        sgd.plot(found.steps, mean, color="#D55E00")
        sgd.fill_between(found.steps, mean - 2 * error, mean + 2 * error, color="#D55E00", alpha=0.2)
        step_axis(sgd, int(found.steps[-1]))
        sgd.set(title=f"SGD, {len(found.sgd)} seeds", ylabel="units in use, mean", ylim=(0, hidden))
        posterior.plot(found.sample_sizes, found.posterior.mean(axis=1), "o-", color="#0072B2")
        n_axis(posterior, found.sample_sizes)
        posterior.set(title="Posterior")
    return figure
