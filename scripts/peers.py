"""Other software, in PyTorch, to compare with: devinterp's SGLD and a training loop. Needs the extra `peers`.

Nothing here imports JAX or slt, so that a process that runs it costs what PyTorch costs; and PyTorch is imported
where it is used, so that the version of this code can be computed without it.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]  # W (r, c), b (c,); feature (n,), value (n,)


def network(arrays: Arrays) -> Any:
    """Superposition's autoencoder, starting at given weights."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.W = torch.nn.Parameter(torch.tensor(arrays["W"], dtype=torch.float32))
            self.b = torch.nn.Parameter(torch.tensor(arrays["b"], dtype=torch.float32))

        def forward(self, x: Any) -> Any:
            return torch.relu(x @ self.W.T @ self.W + self.b)

    return Network()


def inputs(arrays: Arrays) -> Any:
    """(n, c): value e_feature."""
    import torch

    n, c = len(arrays["feature"]), arrays["W"].shape[1]
    x = torch.zeros(n, c)
    x[torch.arange(n), torch.tensor(arrays["feature"]).long()] = torch.tensor(
        arrays["value"], dtype=torch.float32
    )
    return x


def loss(model: Any, batch: Any) -> Any:
    return ((model(batch[0]) - batch[1]) ** 2).sum(dim=1).mean()


def sgld(
    arrays: Arrays,
    batch: int,
    *,
    chains: int,
    burn_in: int,
    draws: int,
    step_size: float,
    localization: float,
) -> np.ndarray:
    """(chain,) estimates of devinterp 1.3.2 at n beta = n / log n, in float32."""
    import torch
    from devinterp.optim.sgld import SGLD
    from devinterp.slt.sampler import estimate_learning_coeff_with_summary
    from torch.utils.data import DataLoader, TensorDataset

    x = inputs(arrays)
    loader = DataLoader(TensorDataset(x, x), batch_size=batch, shuffle=True)
    torch.manual_seed(0)
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        result = estimate_learning_coeff_with_summary(
            network(arrays),
            loader=loader,
            evaluate=loss,
            sampling_method=SGLD,
            optimizer_kwargs={
                "lr": step_size,
                "localization": localization,
                "nbeta": len(x) / float(np.log(len(x))),
            },
            num_draws=draws,
            num_chains=chains,
            num_burnin_steps=burn_in,
            seed=0,
            verbose=False,
            online=False,
        )
    return np.array([float(result[f"llc-chain/{i}"]) for i in range(chains)])


def training(arrays: Arrays, batch: int, learning_rate: float, threads: int) -> Callable[[int], Any]:
    """A PyTorch training loop of one seed, shuffled epochs without replacement: call it with a number of steps."""
    import torch

    torch.set_num_threads(threads)
    model, x = network(arrays), inputs(arrays)
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)

    def run(steps: int) -> float:
        done = 0
        while done < steps:
            order = torch.randperm(len(x))
            for first in range(0, len(x) - batch + 1, batch):
                rows = x[order[first : first + batch]]
                optimizer.zero_grad(set_to_none=True)
                loss(model, (rows, rows)).backward()
                optimizer.step()
                done += 1
                if done == steps:
                    break
        return float(loss(model, (x, x)).detach())

    return run
