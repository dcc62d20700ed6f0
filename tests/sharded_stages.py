"""Small stages, driven on however many devices there are: `python -m tests.sharded_stages FOLDER` on those forced."""

import contextlib
import re
import sys
from functools import partial
from pathlib import Path

import jax
import numpy as np

import slt
from scripts.linear_gaussian import LinearGaussian
from slt.llc.mcmc import kernels
from slt.llc.mcmc.metropolis import Metropolis
from slt.llc.problem import LLCProblem
from slt.llc.smc.wbic import WBIC
from slt.pipeline.outputs import outputs
from slt.posterior import nuts, tempering
from slt.posterior.data_tempering import DataTempering
from slt.posterior.smc import SMC
from slt.posterior.targets import potential
from slt.runtime.devices import spread
from slt.runtime.progress import Silent
from slt.storage.resumable import Driver, _packed
from slt.training import loop
from slt.training.optimizers import Adam
from slt.training.trainer import Trainer
from tests.toys import TwoModes

slt.configure_jax()
KEY = jax.random.key(5)
MODEL = LinearGaussian(dimension=3)
RUN = (
    "experiment=two_bump", "training.seeds=8", "training.steps=50", "posterior.sample_sizes=[5000,11000]",
    "llc=hessian", "llc.at=phases",
)  # fmt: skip
SEEDS = 6  # four devices do not divide them: three are used
COLLECTIVE = r"\b(all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter)(-start)?\("


class Stopped(Exception):
    pass


class Stopping(Silent):
    """Stops the stage at the given call of `update`."""

    def __init__(self, after):
        self.left = after

    def update(self, done):
        self.left -= 1
        if self.left < 0:
            raise Stopped


def training():
    data = jax.vmap(lambda key: MODEL.sample(key, 40))(jax.random.split(jax.random.key(1), 2))
    return Trainer(seeds=SEEDS, steps=300, batch_size=7, n=40, checkpoints=40, optimizer=Adam()).stage(
        MODEL, data
    )


def ladder():
    return DataTempering(particles=256, repeats=16, mcmc_steps=2).stage(TwoModes(), None, (1, 2))


def local(points=4, chains=2, localization=1.0):
    """Chains at so many points."""
    points = jax.vmap(MODEL.sample_prior)(jax.random.split(KEY, points))
    estimator = Metropolis(
        chains=chains, nbeta=1e4, step_size=1e-4, localization=localization, burn_in=16, draws=64
    )
    return estimator(LLCProblem(MODEL, points, MODEL.sample(KEY, 40)), KEY)


def tempered():
    """Populations tempered at four points."""
    points = jax.vmap(MODEL.sample_prior)(jax.random.split(KEY, 4))
    return WBIC(particles=64)(LLCProblem(MODEL, points, MODEL.sample(KEY, 40)), KEY)


def one_potential(sampler):
    return sampler(potential(TwoModes(), None, 1.0), KEY)


def by_nuts():
    return one_potential(nuts.NUTS(chains=4, warmup=20, samples=20))


def by_smc():
    return one_potential(SMC(particles=64, repeats=4, mcmc_steps=2))


def partition():
    """Over how many devices a stage's state is divided before and after a piece, and the walks of chains and of NUTS;
    a device's share of the work of one piece of training; and whether devices wait for each other in it."""
    held = {}
    for name, stage in (("training", training()), ("ladder", ladder())):
        state = spread(stage.init(KEY))
        after, _ = stage.advance(state)
        held[name] = [_devices(tree) for tree in (state, after)]
    held["chains"] = _watched(kernels, "walk", local)
    held["chains of one point"] = _watched(kernels, "walk", partial(local, points=1, chains=4))
    held["nuts"] = _watched(nuts, "_chains", by_nuts)
    held["tempered"] = _watched(tempering, "_move", tempered)[:1]
    held["smc"] = _watched(tempering, "_move", by_smc)[:1]
    stage = training()
    whole, split = (
        loop.advance.lower(
            state.ensemble, np.arange(8, dtype=np.int32), MODEL, stage.data, stage.dataset,
            optimizer=Adam(), batch_size=7, horizon=None,
        ).compile()
        for state in (stage.init(KEY), spread(stage.init(KEY)))
    )  # fmt: skip
    share = split.cost_analysis()["flops"] / whole.cost_analysis()["flops"]
    return {"held": held, "share": share, "waits": bool(re.search(COLLECTIVE, split.as_text()))}


def _watched(module, name, run):
    """Over how many devices is divided what the function `name` returns, each time that `run` calls it."""
    function, held = getattr(module, name), []

    def watched(*args, **options):
        made = function(*args, **options)
        held.append(_devices(made))
        return made

    setattr(module, name, watched)
    try:
        run()
    finally:
        setattr(module, name, function)
    return held


def _devices(tree):
    """For each array with a batch, over how many devices it is divided; copies do not count."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array) and leaf.ndim]
    return sorted({leaf.size // leaf.addressable_shards[0].data.size for leaf in leaves})


def records():
    """What the stages come to."""
    drive = Driver(Silent())
    samplers = {"nuts": by_nuts(), "smc": by_smc()}
    return {
        "trajectory": drive(training(), KEY),
        "ladder": drive(ladder(), KEY),
        "llc": local(),
        "tempered": tempered(),
        **samplers,
    }


def run(folder):
    """The names of a whole run's records, and its learning coefficients."""
    made = slt.run(RUN, store=folder / "runs", progress=False)
    names = {stage: entry["record"] for stage, entry in made.manifest["stages"].items()}
    return {"names": names, "llc": outputs(made).get("llc").estimate.llc}


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(Stopped):
        Driver(Stopping(4), folder / "unfinished", every=0.0)(training(), KEY)
    (folder / "records.npz").write_bytes(_packed({"partition": partition(), "run": run(folder), **records()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
