"""Our SGLD beside devinterp's (PyTorch) at the same point, data and settings.

Needs the extra: pip install -e .[peers]
"""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scripts.results import Result, table
from slt.llc.base import Question
from slt.llc.sgld import SGLD
from slt.models.superposition import Inputs, Superposition

MODULES = ("slt.llc.sgld", "slt.models.superposition")
N, CHAINS, BURN_IN, DRAWS, STEP_SIZE, LOCALISATION = 1000, 10, 500, 1000, 5e-4, 1.0


def study() -> Result:
    model = Superposition(features=6)
    phase = next(phase for phase in model.phases() if phase.name == "6")
    data = model.sample(jax.random.key(0), N)
    rows, numbers = [], {}
    for batch in (100, None):
        ours, theirs = _ours(model, phase.point, data, batch), _theirs(phase.point, data, batch or N)
        gap = ours.mean() - theirs.mean()
        errors = [chains.std(ddof=1) / len(chains) ** 0.5 for chains in (ours, theirs)]
        combined = float(np.hypot(*errors))
        rows.append(
            [
                batch or f"{N} (all)",
                f"{ours.mean():.2f} ± {errors[0]:.2f}",
                f"{theirs.mean():.2f} ± {errors[1]:.2f}",
                f"{gap / combined:+.1f}",
                f"{ours.std(ddof=1):.2f}, {theirs.std(ddof=1):.2f}",
            ]
        )
        numbers[str(batch or N)] = {
            "ours": ours.tolist(),
            "devinterp": theirs.tolist(),
            "gap_in_combined_errors": float(gap / combined),
        }
    header = [
        "batch",
        "slt",
        "devinterp 1.3.2",
        "gap / combined error",
        "scatter of chains",
    ]
    text = f"""# SGLD beside devinterp

Superposition's 6-gon at c = 6, n = {N}: {CHAINS} chains of {BURN_IN} burn-in steps and {DRAWS} draws, step size
{STEP_SIZE:g}, localisation {LOCALISATION:g}, n beta = n / log n; float64 here, float32 there. The estimate is the
mean over chains and its standard error; chains have independent keys on both sides. Here the loss at the point is
exact and every draw's loss is the full one; devinterp takes the losses of minibatches, and of one minibatch for the
point, an error that all its chains share and that is not in its bars.

{table(header, rows)}

Self-calibrated at the same n beta, our estimate is {_calibrated(model, phase.point, data)}.
"""
    return Result(text, numbers)


def _ours(model: Superposition, point: Any, data: Inputs, batch: int | None) -> np.ndarray:
    """(chain,) estimates."""
    estimator = SGLD(
        chains=CHAINS,
        batch=batch,
        step_size=STEP_SIZE,
        localisation=LOCALISATION,
        burn_in=BURN_IN,
        draws=DRAWS,
        every=1,
    )
    question = Question(model, jax.tree.map(lambda leaf: leaf[None], point), data)
    estimate = estimator(question, jax.random.key(1))
    return estimate.curve["mean"][0].mean(axis=-1)


def _calibrated(model: Superposition, point: Any, data: Inputs) -> str:
    question = Question(model, jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], point), data)
    estimate = SGLD()(question, jax.random.key(2))
    chosen = (
        f"step size {estimate.info['step_size'][0]:.2g}, localisation {estimate.info['localisation'][0]:g}"
    )
    draws = estimate.info["draws"][0]
    return f"{estimate.llc[0]:.2f} ± {estimate.error[0]:.2f} ({chosen}, {draws:.0f} draws a chain)"


def _theirs(point: Any, data: Inputs, batch: int) -> np.ndarray:
    """(chain,) estimates."""
    import torch
    from devinterp.optim.sgld import SGLD as TheirSGLD
    from devinterp.slt.sampler import estimate_learning_coeff_with_summary
    from torch.utils.data import DataLoader, TensorDataset

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.W = torch.nn.Parameter(torch.tensor(np.asarray(point["W"]), dtype=torch.float32))
            self.b = torch.nn.Parameter(torch.tensor(np.asarray(point["b"]), dtype=torch.float32))

        def forward(self, x: Any) -> Any:
            return torch.relu(x @ self.W.T @ self.W + self.b)

    x = torch.zeros(N, 6)
    x[torch.arange(N), torch.tensor(np.asarray(data.feature)).long()] = torch.tensor(
        np.asarray(data.value), dtype=torch.float32
    )
    loader = DataLoader(TensorDataset(x, x), batch_size=batch, shuffle=True)
    torch.manual_seed(0)
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        result = estimate_learning_coeff_with_summary(
            Network(),
            loader=loader,
            evaluate=lambda model, batch: ((model(batch[0]) - batch[1]) ** 2).sum(dim=1).mean(),
            sampling_method=TheirSGLD,
            optimizer_kwargs={"lr": STEP_SIZE, "localization": LOCALISATION, "nbeta": N / float(np.log(N))},
            num_draws=DRAWS,
            num_chains=CHAINS,
            num_burnin_steps=BURN_IN,
            seed=0,
            verbose=False,
            online=False,
        )
    names = [f"llc-chain/{i}" for i in range(CHAINS)]
    return np.array([float(result[name]) for name in names])
