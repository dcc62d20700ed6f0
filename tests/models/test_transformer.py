"""What makes a transformer quick changes nothing that it computes."""

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.common import transformer
from slt.models.common.transformer import Transformer


def test_a_last_layer_at_some_positions_says_there_what_it_says_at_all():
    whole, some = (Transformer(8, 2, 2, 6, length=5, outputs=3, every=every) for every in (1, 2))
    w = transformer.start(whole, 4, jax.random.key(0))
    assert jax.tree.map(jnp.shape, w) == jax.tree.map(
        jnp.shape, transformer.start(some, 4, jax.random.key(0))
    )
    w = {name: leaf + jax.random.normal(jax.random.key(1), leaf.shape) for name, leaf in w.items()}
    tokens = jax.random.normal(jax.random.key(2), (3, 5, 4))
    (full, patterns), (few, fewer) = (transformer.apply(one, w, tokens) for one in (whole, some))
    np.testing.assert_allclose(few, full[:, ::2], atol=1e-12)
    np.testing.assert_allclose(fewer[0], patterns[0], atol=1e-12)
    np.testing.assert_allclose(fewer[1], patterns[1][:, :, ::2], atol=1e-12)


def test_products_have_the_derivatives_of_products():
    a, b = (jax.random.normal(jax.random.key(i), shape) for i, shape in enumerate([(2, 3, 4), (2, 4, 5)]))

    def through(product):
        return lambda a, b: jnp.sum(jnp.sin(product(a, b)))

    for order in (jax.grad, jax.hessian):
        ours, plain = (order(through(of), argnums=(0, 1))(a, b) for of in (transformer.product, jnp.matmul))
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-12), ours, plain)
