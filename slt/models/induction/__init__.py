"""Attention-only transformers on sequences that repeat themselves: the model of induction heads.

A network reads tokens and predicts each next one. The language (`slt.models.induction.synthetic_language`) has
unequal token frequencies, bigrams, trigrams, and copying: where the current token occurred before, what followed it
then is likely to follow again. Copying takes two layers: a *previous-token head*, which writes at each position the
token before it, and an *induction head*, which attends to positions whose previous token is the current one (Elhage
et al. 2021; Olsson et al. 2022, arXiv:2209.11895; Reddy 2023, arXiv:2312.03002; the stages of Hoogland et al. 2024,
arXiv:2402.02364, and Edelman et al. 2024, arXiv:2402.11004). Wang et al. 2024 (arXiv:2410.02984) refine learning
coefficients to kinds of data, as `slice` does, and to heads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Params, as_model, static
from slt.models.common import transformer
from slt.models.common.checks import check_positive
from slt.models.common.gaussian import draw_normal
from slt.models.common.sequence_base import SequenceModel
from slt.models.drawing import Drawing
from slt.models.induction import synthetic_language as synthetic

SLICES: dict[str, tuple[str, ...]] = {"all": synthetic.KINDS, **{kind: (kind,) for kind in synthetic.KINDS}}
_SEEN, _OUTPUTS = 64, 20_000  # sequences that observables are seen on; numbers of `outputs`, at most


class Text(NamedTuple):
    """Observations: tokens (n, length) int32, and which kind each prediction is, (n, length - 1, 3) one-hot."""

    tokens: jax.Array
    kinds: jax.Array


@as_model
class Induction(SequenceModel):
    """A causal transformer without mlps on a synthetic language; its parameters are those of `transformer`, under the
    prior N(0, prior_scale^2).

    Args:
      vocabulary: tokens, at least 2.
      length: tokens of a sequence, at least 4; all but the first are predicted.
      copying: the chance that a token is copied where there is something to copy, in [0, 1).
      language_seed: of the language's bigrams and trigrams.
      width, heads, layers: of the network; width is a multiple of heads.
      prior_scale: standard deviation of the prior.
      population: sequences that stand for the population, 0 for none; see `SequenceModel`.
      slice: the tokens that losses count: "all", or those predicted where nothing can be copied ("bigram",
        "trigram": T depends on the last token alone, on the last two) and where something can ("copy"). What is
        counted depends on what comes before a token alone, so the language is the best predictor of each slice.

    Raises ValueError for options that are not of this form.
    """

    vocabulary: int = static(24)
    length: int = static(32)
    copying: float = static(0.5)
    language_seed: int = static(0)
    width: int = static(32)
    heads: int = static(4)
    layers: int = static(2)
    prior_scale: float = static(1.0)
    population: int = static(512)
    slice: str = static("all")

    def __post_init__(self) -> None:
        check_positive(prior_scale=self.prior_scale)
        transformer.check_shape(self.width, self.heads, self.layers)
        for name, value, low in (
            ("vocabulary", self.vocabulary, 2),
            ("length", self.length, 4),
            ("language_seed", self.language_seed, 0),
            ("population", self.population, 0),
        ):
            if value < low:
                raise ValueError(f"{name} must be at least {low}, not {value}")
        if not 0 <= self.copying < 1:
            raise ValueError(f"copying must be at least 0 and less than 1, not {self.copying}")
        if self.slice not in SLICES:
            raise ValueError(f"slice must be one of {', '.join(SLICES)}, not {self.slice!r}")

    # -- data -------------------------------------------------------------------------------------------
    def init(self, key: jax.Array) -> Params:
        return transformer.start(self._network, self.vocabulary, key)

    def sample(self, key: jax.Array, n: int) -> Text:
        tokens = synthetic.sample(key, n, self.length, self._law)
        return Text(tokens, synthetic.kinds(tokens, self._law))

    # -- losses -----------------------------------------------------------------------------------------
    def losses(self, w: Params, data: Text) -> jax.Array:
        """(n,) nats per *sequence*: its negative log-likelihood given its first token; other slices left out."""
        log_p, _ = self._read(w, data.tokens)
        surprise = -jnp.take_along_axis(log_p, data.tokens[:, 1:, None], axis=-1)[..., 0]
        counted = jnp.asarray([kind in SLICES[self.slice] for kind in synthetic.KINDS], data.kinds.dtype)
        return jnp.sum((data.kinds @ counted) * surprise, axis=-1)

    def ideals(self) -> dict[str, dict[str, float]]:
        """Cross-entropy, nats per token, of each of `synthetic.PREDICTORS` on each kind of the probe's tokens.

        Expectations over the next token are exact; what comes before is the probe's.
        """
        probe = self.probe(_SEEN)
        known = synthetic.predictions(probe.tokens, self._law)
        return {
            name: {kind: float(value) for kind, value in _by_kind(_cross(known["copying"], p), probe).items()}
            for name, p in ((name, jnp.log(p)) for name, p in known.items())
        }

    # -- prior ------------------------------------------------------------------------------------------
    def log_prior(self, w: Params) -> jax.Array:
        densities = [jax.scipy.stats.norm.logpdf(leaf, scale=self.prior_scale).sum() for leaf in w.values()]
        return jnp.sum(jnp.stack(densities))

    def sample_prior(self, key: jax.Array) -> Params:
        return draw_normal(key, transformer.shapes(self._network, self.vocabulary), self.prior_scale)

    # -- what is seen of it -----------------------------------------------------------------------------
    def observables(self, w: Params) -> dict[str, jax.Array]:
        """On a fixed probe, nats per token, each an expectation over the next token given what comes before:

        "loss bigram", "loss trigram", "loss copy": cross-entropy on each kind of token.
        "KL unigram", "KL bigram", "KL trigram", "KL copying": D(ideal || network) from each ideal predictor, over all
        tokens.
        "in-context score": cross-entropy over the last quarter of positions less that over the first quarter.

        And scores of each head, by layer and head: "previous token 0.1" and "prefix matching 0.1"; see
        `previous_token` and `prefix_matching`.
        """
        probe = self.probe(_SEEN)
        log_p, patterns = self._read(w, probe.tokens)
        known = synthetic.predictions(probe.tokens, self._law)
        cross = _cross(known["copying"], log_p)
        quarter = max((self.length - 1) // 4, 1)
        seen = {f"loss {kind}": value for kind, value in _by_kind(cross, probe).items()}
        for name, ideal in known.items():
            seen[f"KL {name}"] = jnp.mean(jnp.sum(ideal * (jnp.log(ideal) - log_p), axis=-1))
        seen["in-context score"] = jnp.mean(cross[:, -quarter:]) - jnp.mean(cross[:, :quarter])
        return seen | self._scores(patterns, probe.tokens)

    def outputs(self, w: Params) -> jax.Array:
        """(k,) logits less their mean over the vocabulary, on as many sequences of a fixed probe as make 20,000."""
        size = max(_OUTPUTS // (self.length * self.vocabulary), 1)
        logits, _ = self._apply(w, self.probe(min(size, _SEEN)).tokens)
        return jnp.ravel(logits - jnp.mean(logits, axis=-1, keepdims=True))

    def drawing(self, w: Params) -> Drawing:
        """Both scores of every head."""
        tokens = self.probe(_SEEN).tokens
        _, patterns = self._apply(jax.tree.map(jnp.asarray, w), tokens)
        scores = self._scores(patterns, tokens)
        return Drawing("bars", np.array(list(scores.values())), labels=tuple(scores), axes=("", "score"))

    # -- parts ------------------------------------------------------------------------------------------
    @property
    def _law(self) -> tuple[int, int, float]:
        return self.vocabulary, self.language_seed, self.copying

    @property
    def _network(self) -> transformer.Transformer:
        return transformer.Transformer(
            width=self.width,
            heads=self.heads,
            layers=self.layers,
            neurons=0,
            length=self.length,
            outputs=self.vocabulary,
        )

    def _apply(self, w: Params, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        one_hot = jax.nn.one_hot(tokens, self.vocabulary, dtype=w["position"].dtype)
        logits, patterns = transformer.apply(self._network, w, one_hot)
        return logits, jnp.stack(patterns, axis=1)

    def _read(self, w: Params, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Log-probabilities (n, length - 1, vocabulary) of the next token, and attention patterns over all tokens."""
        logits, patterns = self._apply(w, tokens)
        return jax.nn.log_softmax(logits[:, :-1]), patterns

    def _scores(self, patterns: jax.Array, tokens: jax.Array) -> dict[str, jax.Array]:
        scores = {
            "previous token": previous_token(patterns),
            "prefix matching": prefix_matching(patterns, tokens),
        }
        heads = [(layer, head) for layer in range(self.layers) for head in range(self.heads)]
        return {f"{name} {i}.{h}": score[i, h] for name, score in scores.items() for i, h in heads}


def previous_token(patterns: jax.Array) -> jax.Array:
    """(layer, head) mean attention from a token to the one before it, over all tokens but the first.

    Args:
      patterns: (n, layer, head, query, key).
    """
    return jnp.mean(jnp.diagonal(patterns, offset=-1, axis1=-2, axis2=-1), axis=(0, -1))


def prefix_matching(patterns: jax.Array, tokens: jax.Array) -> jax.Array:
    """(layer, head) mean attention from a token to those that followed its earlier occurrences, over all tokens that
    have any: the prefix-matching score of Olsson et al. 2022, on sequences of the language.

    Args:
      patterns: (n, layer, head, query, key).
      tokens: (n, length).
    """
    positions = tokens.shape[1]
    followed = jnp.pad(tokens[:, None, :-1] == tokens[:, :, None], ((0, 0), (0, 0), (1, 0)))
    followed &= jnp.tril(jnp.ones((positions, positions), bool))
    attention = jnp.einsum("nlhqk,nqk->lhnq", patterns, followed.astype(patterns.dtype))
    return jnp.mean(attention, axis=(-2, -1), where=followed.any(axis=-1))


def _cross(law: jax.Array, log_p: jax.Array) -> jax.Array:
    """(n, position) cross-entropy of predictions, nats per token, expected over the language's next token."""
    return -jnp.sum(law * log_p, axis=-1)


def _by_kind(values: jax.Array, data: Any) -> dict[str, jax.Array]:
    """Mean of (n, position) values over the tokens of each kind."""
    count = jnp.maximum(jnp.sum(data.kinds, axis=(0, 1)), 1)
    means = jnp.einsum("nik,ni->k", data.kinds, values) / count
    return dict(zip(synthetic.KINDS, means, strict=True))
