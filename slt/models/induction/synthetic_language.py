"""A language of random tokens with bigrams, trigrams and copying, whose best predictors are known exactly.

    p(c | ..., a, b) = (1 - copying) T(c | a, b) + copying F(c)

F is how often each token followed the earlier occurrences of b in this sequence; where b occurs for the first time
there is nothing to copy, and T stands alone. F is what an induction head finds that looks at all matches alike:
the statistical induction head of Edelman et al. 2024 (arXiv:2402.11004), here beside a fixed chain.

T is a chain of second order, of random logits u(c) + v(b, c), and + s(a, c) after those tokens a that are half of the
vocabulary: there a trigram tells more than a bigram. The bigram and the unigram predictor are the stationary
conditionals of T, so that each is the best of its kind for a sequence without copying. Copying makes sequences repeat
themselves and so shifts the frequencies a little: with 24 tokens and copying 0.5 the best predictor from one token
alone lies 0.006 nats from the bigram predictor here.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.records.base import Array

KINDS = ("bigram", "trigram", "copy")
PREDICTORS = ("unigram", "bigram", "trigram", "copying")
_UNIGRAM, _BIGRAM, _TRIGRAM = 0.7, 1.5, 3.0  # standard deviations of u, v and s


class Language(NamedTuple):
    """Probabilities of the next token c.

    Attributes:
      unigram: (c,) of any token.
      bigram: (b, c) after b.
      trigram: (a, b, c) after a b: the rule T.
      telling: (a,) whether T depends on a at all.
    """

    unigram: Array
    bigram: Array
    trigram: Array
    telling: Array


@functools.lru_cache(maxsize=32)
def language(vocabulary: int, seed: int) -> Language:
    """The language of a seed, float64."""
    random = np.random.default_rng(seed)
    u, v, s = (random.normal(size=(vocabulary,) * k) for k in (1, 2, 2))
    telling = np.arange(vocabulary) < vocabulary // 2
    logits = _UNIGRAM * u + _BIGRAM * v + _TRIGRAM * (telling[:, None] * s)[:, None]
    trigram = np.exp(logits)
    trigram /= trigram.sum(axis=-1, keepdims=True)
    pair = np.full((vocabulary, vocabulary), vocabulary**-2.0)
    for _ in range(10_000):
        after = np.einsum("ab,abc->bc", pair, trigram)
        moved, pair = np.abs(after - pair).max(), after
        if moved < 1e-15:
            break
    return Language(pair.sum(axis=0), pair / pair.sum(axis=1, keepdims=True), trigram, telling)


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def sample(key: jax.Array, n: int, length: int, law: tuple[int, int, float]) -> jax.Array:
    """(n, length) int32 tokens of the language `law` = (vocabulary, seed, copying); nested in n."""
    vocabulary, seed, copying = law
    unigram, bigram, trigram = (jnp.asarray(table) for table in language(vocabulary, seed)[:3])

    def draw(p: jax.Array, uniform: jax.Array) -> jax.Array:
        return jnp.minimum(jnp.sum(jnp.cumsum(p) < uniform), vocabulary - 1).astype(jnp.int32)

    def step(state: Any, uniform: jax.Array) -> tuple[Any, jax.Array]:
        a, b, counts = state
        c = draw(_mixed(trigram[a, b], counts[b], copying), uniform)
        return (b, c, counts.at[b, c].add(1.0)), c

    def sequence(uniform: jax.Array) -> jax.Array:
        first = draw(unigram, uniform[0])
        second = draw(bigram[first], uniform[1])
        counts = jnp.zeros((vocabulary, vocabulary)).at[first, second].set(1.0)
        _, rest = jax.lax.scan(step, (first, second, counts), uniform[2:])
        return jnp.concatenate([jnp.stack([first, second]), rest])

    return jax.vmap(sequence)(jax.random.uniform(key, (n, length), jnp.float64))


def predictions(tokens: jax.Array, law: tuple[int, int, float]) -> dict[str, jax.Array]:
    """Probabilities by each of `PREDICTORS`, (n, length - 1, vocabulary), float64; "copying" is the law itself.

    Position i predicts token i + 1 from tokens 0..i. At the first one the trigram predictor is the bigram predictor.
    """
    vocabulary, seed, copying = law
    unigram, bigram, trigram = (jnp.asarray(table) for table in language(vocabulary, seed)[:3])
    after_one = bigram[tokens[:, :-1]]
    after_two = jnp.concatenate([after_one[:, :1], trigram[tokens[:, :-2], tokens[:, 1:-1]]], axis=1)
    return {
        "unigram": jnp.broadcast_to(unigram, after_one.shape),
        "bigram": after_one,
        "trigram": after_two,
        "copying": _mixed(after_two, followers(tokens, vocabulary), copying),
    }


def kinds(tokens: jax.Array, law: tuple[int, int, float]) -> jax.Array:
    """(n, length - 1, 3) float64, one-hot: which of `KINDS` each prediction is, by what comes before it.

    "copy": the token at hand occurred before; else "trigram": T depends on the last two tokens; or "bigram".
    """
    vocabulary, seed, _ = law
    telling = jnp.asarray(language(vocabulary, seed).telling)[tokens[:, :-2]]
    trigram = jnp.concatenate([jnp.zeros_like(telling[:, :1]), telling], axis=1)
    copy = jnp.sum(followers(tokens, vocabulary), axis=-1) > 0
    return jax.nn.one_hot(jnp.where(copy, 2, trigram), len(KINDS), dtype=jnp.float64)


def followers(tokens: jax.Array, vocabulary: int) -> jax.Array:
    """(n, length - 1, vocabulary) how often each token has followed the token at hand earlier in its sequence."""
    token = jax.nn.one_hot(tokens[:, :-1], vocabulary, dtype=jnp.float64)
    following = jax.nn.one_hot(tokens[:, 1:], vocabulary, dtype=jnp.float64)
    same = jnp.einsum("niv,njv->nij", token, token)
    earlier = jnp.tril(jnp.ones(same.shape[1:]), -1)
    return jnp.einsum("nij,njv->niv", same * earlier, following)


def _mixed(rule: jax.Array, counts: jax.Array, copying: float) -> jax.Array:
    total = jnp.sum(counts, axis=-1, keepdims=True)
    return jnp.where(total > 0, (1 - copying) * rule + copying * counts / jnp.maximum(total, 1), rule)
