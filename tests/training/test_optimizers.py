import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra.utils import instantiate

from slt.training.optimizers import Adam, AdamW, Momentum, Optimizer, Sgd

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "optimizer").glob("*.yaml"))
W = np.array([0.3, -2.0, 5.0])
GRADIENTS = np.array([[1.0, -0.2, 0.0], [0.5, 0.4, -3.0], [-2.0, 0.1, 1e-3]])


def follow(optimizer, dtype=np.float64):
    rule, w = optimizer.build(optimizer.horizon(len(GRADIENTS))), W.astype(dtype)
    memory = rule.init(w)
    for g in GRADIENTS.astype(dtype):
        change, memory = rule.update(g, memory, w)
        w = w + change
    return np.asarray(w)


def adam_by_hand(lr, b1, b2, eps, decay=0.0):
    w, m, v = W.copy(), 0.0, 0.0
    for t, g in enumerate(GRADIENTS, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        w = w - lr * (m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps) + decay * w)
    return w


def momentum_by_hand(lr, momentum, nesterov):
    w, v = W.copy(), 0.0
    for g in GRADIENTS:
        v = momentum * v + g
        w = w - lr * (momentum * v + g if nesterov else v)
    return w


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (Sgd(0.1), W - 0.1 * GRADIENTS.sum(axis=0)),
        (Sgd(0.1, schedule="linear"), W - 0.1 * np.array([1, 2 / 3, 1 / 3]) @ GRADIENTS),
        (Sgd(0.1, schedule="cosine"), W - 0.1 * np.array([1, 0.75, 0.25]) @ GRADIENTS),
        (Sgd(0.1, warmup=0.67), W - 0.1 * np.array([0, 0.5, 1]) @ GRADIENTS),
        (Sgd(0.1, schedule="linear", warmup=0.3), W - 0.1 * np.array([0, 1, 0.5]) @ GRADIENTS),
        (Momentum(0.1, 0.8), momentum_by_hand(0.1, 0.8, False)),
        (Momentum(0.1, 0.8, nesterov=True), momentum_by_hand(0.1, 0.8, True)),
        (Adam(0.1, 0.8, 0.95, 1e-6), adam_by_hand(0.1, 0.8, 0.95, 1e-6)),
        (AdamW(0.1, 0.8, 0.95, 1e-6, 0.3), adam_by_hand(0.1, 0.8, 0.95, 1e-6, 0.3)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_follows_its_published_rule(optimizer, expected):
    scheduled = optimizer.horizon(3) is not None  # optax's schedules count in float32
    np.testing.assert_allclose(follow(optimizer), expected, rtol=1e-7 if scheduled else 1e-12)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_spells_out_every_option_at_its_default(path):
    config = yaml.safe_load(path.read_text())
    optimizer = instantiate(config)
    assert isinstance(optimizer, Optimizer)
    assert optimizer == type(optimizer)()
    assert set(config) - {"_target_"} == {field.name for field in dataclasses.fields(optimizer)}


@pytest.mark.parametrize("options", [{}, {"schedule": "cosine"}, {"warmup": 0.1}])
def test_only_a_rate_that_changes_asks_for_the_number_of_steps(options):
    assert Adam(**options).horizon(100) == (100 if options else None)


def test_there_is_a_config_for_each_rule():
    assert [path.stem for path in CONFIGS] == ["adam", "adamw", "momentum", "sgd"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sgd(0), "learning_rate must be positive and finite, not 0"),
        (lambda: Sgd(float("nan")), "learning_rate must be positive and finite, not nan"),
        (lambda: AdamW(learning_rate=float("inf")), "learning_rate must be positive and finite, not inf"),
        (lambda: Momentum(momentum=1), "momentum must be at least 0 and less than 1, not 1"),
        (lambda: Adam(b1=-0.1), "b1 must be at least 0 and less than 1, not -0.1"),
        (lambda: Adam(b2=1.0), "b2 must be at least 0 and less than 1, not 1.0"),
        (lambda: Adam(eps=0), "eps must be positive and finite, not 0"),
        (lambda: Sgd(schedule="cosin"), "schedule must be one of constant, linear, cosine, not 'cosin'"),
        (lambda: Sgd(warmup=1), "warmup is a share of the steps, at least 0 and less than 1, not 1"),
        (lambda: AdamW(weight_decay=-1), "weight_decay must be 0 or more and finite, not -1"),
    ],
)
def test_names_the_option_that_is_out_of_range(make, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()
