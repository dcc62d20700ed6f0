"""Multitask sparse parity: many tasks of unequal frequency, each learned in a sudden transition.

    input = (which task, one of `tasks` control bits; `bits` bits, uniform on {-1, 1})
    target = the parity of the `degree` bits that belong to this task; task i has frequency p_i ~ i^-(alpha + 1)

If a task is learned after a time ~ 1 / p_i, the loss of the tasks not yet learned falls like t^(-alpha / (alpha + 1))
while there are many of them.

Sources: Barak et al. 2022, "Hidden progress in deep learning: SGD learns parities near the computational limit"
(arXiv:2207.08799), for one parity; Michaud, Liu, Girit and Tegmark 2023, "The quantization model of neural scaling"
(arXiv:2303.13506), for many. Their loss is a cross-entropy; here it is the squared loss of
`slt.models.common.boolean_network`, which has the conventions.
"""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Params, Phase, as_model, static
from slt.models.common.boolean_functions import Unit, character, cube, is_absent, is_learned, parity_units
from slt.models.common.boolean_network import BooleanNetwork, check_network
from slt.models.drawing import Drawing


@as_model
class SparseParity(BooleanNetwork):
    """A two-layer network that learns one parity for each control bit.

    Phase "k tasks" has learned k of them, whichever: 2^tasks phases would be too many. Its point has the k
    most frequent, so its loss is the lowest of the class.

    Args:
      tasks: how many; no more than there are subsets.
      bits: that parities are made of, at most 12, so that all tasks x 2^bits inputs can be listed.
      degree: k, bits in each task's parity. Subsets differ, and are the same for every model of these sizes.
      alpha: frequencies fall like i^-(alpha + 1); at least 0.
      hidden: units, at least degree x tasks + 1.
      noise: standard deviation sigma of the labels.
      prior_scale: standard deviation of the prior on every parameter.
      init_scale: of the weights where SGD starts, relative to 1 / sqrt(fan in).

    Raises ValueError for options that are not of this form.
    """

    tasks: int = static(3)
    bits: int = static(3)
    degree: int = static(2)
    alpha: float = static(0.5)
    hidden: int = static(7)
    noise: float = static(1.0)
    prior_scale: float = static(1.0)
    init_scale: float = static(1.0)

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 12:
            raise ValueError(f"bits must lie between 1 and 12, so that inputs can be listed, not {self.bits}")
        if not 1 <= self.degree <= self.bits:
            raise ValueError(f"degree must lie between 1 and bits = {self.bits}, not {self.degree}")
        most = len(self._all_subsets())
        if not 1 <= self.tasks <= most:
            raise ValueError(f"tasks must lie between 1 and {most}, the number of subsets, not {self.tasks}")
        if not 0 <= self.alpha < np.inf:
            raise ValueError(f"alpha must be 0 or a positive number, not {self.alpha}")
        check_network(self, self.degree * self.tasks + 1)

    @property
    def subsets(self) -> tuple[tuple[int, ...], ...]:
        """The bits of each task, the most frequent task first."""
        every = self._all_subsets()
        return tuple(every[i] for i in np.random.default_rng(0).permutation(len(every))[: self.tasks])

    @property
    def frequencies(self) -> np.ndarray:
        """(tasks,) p, falling; they sum to 1."""
        p = np.arange(1.0, self.tasks + 1) ** -(self.alpha + 1)
        return p / p.sum()

    def inputs(self) -> np.ndarray:
        x = cube(self.bits)
        return np.hstack([np.repeat(np.eye(self.tasks), len(x), axis=0), np.tile(x, (self.tasks, 1))])

    def probability(self) -> np.ndarray:
        return np.repeat(self.frequencies / 2**self.bits, 2**self.bits)

    def target(self) -> np.ndarray:
        return np.concatenate([character(cube(self.bits), subset) for subset in self.subsets])

    def correlations(self, w: Params) -> jax.Array:
        """(tasks,) of the output with the task's parity: its coefficient there."""
        outputs = self.outputs(w)
        product = outputs * jnp.asarray(self.target(), outputs.dtype)
        return jnp.mean(product.reshape(self.tasks, -1), axis=1)

    def task_losses(self, w: Params) -> jax.Array:
        """(tasks,) mean squared gap in each task: 1 for output 0, and 0 where the task is solved."""
        return jnp.mean(self.gap(w).reshape(self.tasks, -1) ** 2, axis=1)

    def phases(self) -> tuple[Phase, ...]:
        """By number of tasks learned, so by decreasing loss."""
        return _phases(self)

    def classify(self, w: Params) -> jax.Array:
        """How many tasks are learned where all others are absent, else "other"."""
        ratio = self.correlations(w)
        learned = is_learned(ratio)
        clear = jnp.all(learned | is_absent(ratio))
        return jnp.where(clear, jnp.sum(learned), self.tasks + 1).astype(jnp.int32)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        """The mean squared gap of each task, 1 for output 0."""
        return {f"loss {i + 1}": loss for i, loss in enumerate(self.task_losses(w))}

    def drawing(self, w: Params) -> Drawing:
        """How far each task is learned."""
        return Drawing(
            kind="bars",
            values=np.asarray(self.correlations(w)),
            labels=tuple(str(i + 1) for i in range(self.tasks)),
            axes=("task, the most frequent first", "coefficient of its parity"),
        )

    def _phase(self, count: int) -> Phase:
        point = self.point_of(*self._solution(count))
        return Phase(
            name="no task" if count == 0 else "1 task" if count == 1 else f"{count} tasks",
            point=point,
            loss=float(np.sum(self.frequencies[count:]) / (2 * self.noise**2)),
            log_prior=float(self.log_prior(point)),
            critical=self.is_critical(point),
            source="by construction: the most frequent tasks, each a zigzag of ReLUs behind its control bit; "
            "log_prior is this point's, not the highest; after Michaud et al. 2023, arXiv:2303.13506",
        )

    def _solution(self, count: int) -> tuple[list[Unit], float]:
        """Units and offset of the network that has solved the `count` most frequent tasks and outputs 0 elsewhere."""
        gate = 2.0 * self.degree  # a unit's input is at most 2 degree - 1 before its gate closes
        units = []
        for task, subset in enumerate(self.subsets[:count]):
            control = np.eye(self.tasks)[task] * gate
            units += [
                Unit(np.concatenate([control, unit.w]), unit.b - gate, unit.a)
                for unit in parity_units(self.bits, subset)
            ]
        if count:  # what `parity_units` leaves out, in the solved tasks alone
            solved = np.concatenate([2.0 * (np.arange(self.tasks) < count), np.zeros(self.bits)])
            units.append(Unit(solved, -1.0, (-1.0) ** self.degree))
        return units, 0.0

    def _all_subsets(self) -> list[tuple[int, ...]]:
        return list(itertools.combinations(range(self.bits), self.degree))


@functools.lru_cache(maxsize=32)
def _phases(model: SparseParity) -> tuple[Phase, ...]:
    return tuple(model._phase(count) for count in range(model.tasks + 1))
