"""The synthetic language against brute force and simulation; scores of attention made by hand; what is counted."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from slt.models.induction import SLICES, Induction, Text, prefix_matching, previous_token
from slt.models.induction import synthetic_language as synthetic

LAW = (5, 3, 0.6)
SMALL = Induction(
    vocabulary=5, length=9, copying=0.6, language_seed=3, width=4, heads=2, layers=1, population=64
)


def law_by_hand(past):
    """p(next | past), from the definition, with loops."""
    vocabulary, seed, copying = LAW
    language = synthetic.language(vocabulary, seed)
    rule = language.trigram[past[-2], past[-1]] if len(past) > 1 else language.bigram[past[-1]]
    followed = [c for b, c in itertools.pairwise(past) if b == past[-1]]
    if not followed:
        return rule
    return (1 - copying) * rule + copying * np.bincount(followed, minlength=vocabulary) / len(followed)


# -- the language -----------------------------------------------------------------------------------------------
def test_the_law_and_the_kinds_are_those_of_the_definition():
    tokens = np.asarray(synthetic.sample(jax.random.key(0), 40, 9, LAW))
    law = np.asarray(synthetic.predictions(tokens, LAW)["copying"])
    kinds = np.asarray(synthetic.kinds(tokens, LAW))
    for sequence, p, kind in zip(tokens, law, kinds, strict=True):
        for i in range(8):
            np.testing.assert_allclose(p[i], law_by_hand(sequence[: i + 1]), atol=1e-14)
            trigram = i > 0 and sequence[i - 1] < LAW[0] // 2
            expected = "copy" if sequence[i] in sequence[:i] else "trigram" if trigram else "bigram"
            assert synthetic.KINDS[kind[i].argmax()] == expected
    assert np.all(kinds.sum(axis=-1) == 1)


def test_sequences_are_as_frequent_as_the_law_says():
    """All 125 sequences of four tokens that share their first one, by the chi-squared statistic."""
    tokens = np.asarray(synthetic.sample(jax.random.key(1), 60_000, 4, LAW))
    language = synthetic.language(*LAW[:2])
    statistic = 0.0
    for sequence in itertools.product(range(LAW[0]), repeat=4):
        p = language.unigram[sequence[0]] * np.prod(
            [law_by_hand(sequence[:i])[sequence[i]] for i in (1, 2, 3)]
        )
        expected = len(tokens) * p
        statistic += (np.all(tokens == sequence, axis=1).sum() - expected) ** 2 / expected
    assert abs(statistic - 624) < 5 * np.sqrt(2 * 624)


def test_without_copying_the_shorter_predictors_are_the_best_of_their_kind():
    """Frequencies after any context of one or no token are theirs, at every position alike."""
    law = (4, 0, 0.0)
    tokens = np.asarray(synthetic.sample(jax.random.key(2), 40_000, 7, law))
    language = synthetic.language(*law[:2])
    for i in (1, 6):
        pairs = np.zeros((4, 4))
        np.add.at(pairs, (tokens[:, i - 1], tokens[:, i]), 1)
        expected = language.unigram[:, None] * language.bigram
        assert np.abs(pairs / len(tokens) - expected).max() < 5 * np.sqrt(expected.max() / len(tokens))
    np.testing.assert_allclose(language.unigram @ language.bigram, language.unigram, atol=1e-14)


def test_each_ideal_predictor_is_best_where_it_should_be():
    """On each kind the law's own cross-entropy is its entropy; less is known by each shorter predictor."""
    ideals = Induction().ideals()
    assert tuple(ideals) == synthetic.PREDICTORS
    for kind in synthetic.KINDS:
        assert ideals["copying"][kind] == min(one[kind] for one in ideals.values())
    assert ideals["copying"]["trigram"] == ideals["trigram"]["trigram"] < ideals["bigram"]["trigram"] - 0.3
    assert ideals["copying"]["copy"] < ideals["bigram"]["copy"] - 0.5
    assert ideals["bigram"]["bigram"] < ideals["unigram"]["bigram"] - 0.3


# -- attention made by hand -------------------------------------------------------------------------------------
def patterns_of(tokens, kind):
    """(n, 1, 1, query, key): each query's attention, all on itself where the head finds nothing."""
    n, length = tokens.shape
    made = np.zeros((n, 1, 1, length, length))
    for s, i in itertools.product(range(n), range(length)):
        found = {
            "previous": [i - 1] if i else [],
            "induction": [j + 1 for j in range(i) if tokens[s, j] == tokens[s, i]],
            "uniform": list(range(i + 1)),
        }[kind]
        for j in found or [i]:
            made[s, 0, 0, i, j] += 1 / len(found or [i])
    return jnp.asarray(made)


def test_perfect_heads_score_one_and_uniform_ones_what_chance_gives():
    tokens = jnp.asarray([[0, 1, 2, 0, 1, 2, 0], [0, 0, 1, 2, 3, 4, 1]])
    assert float(previous_token(patterns_of(tokens, "previous"))[0, 0]) == pytest.approx(1)
    assert float(prefix_matching(patterns_of(tokens, "induction"), tokens)[0, 0]) == pytest.approx(1)
    uniform = patterns_of(tokens, "uniform")
    assert float(previous_token(uniform)[0, 0]) == pytest.approx(np.mean(1 / np.arange(2, 8)))
    chance = [1 / 4, 1 / 5, 1 / 6, 2 / 7, 1 / 2, 1 / 7]  # matches over keys, where a token occurs again
    assert float(prefix_matching(uniform, tokens)[0, 0]) == pytest.approx(np.mean(chance))
    assert float(prefix_matching(patterns_of(tokens, "previous"), tokens)[0, 0]) == pytest.approx(0)


# -- the model --------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def w():
    return jax.jit(SMALL.sample_prior)(jax.random.key(4))


@pytest.fixture(scope="module")
def data():
    return SMALL.sample(jax.random.key(5), 1000)


@pytest.fixture(scope="module")
def computed(w, data):
    """Log-probabilities before and after a change of the tokens from position 5 on; by slice, the losses."""

    @jax.jit
    def everything(w):
        changed = jnp.where(jnp.arange(9) < 5, data.tokens, (data.tokens + 1) % 5)
        log_p = [SMALL._read(w, tokens)[0] for tokens in (data.tokens, changed)]
        losses = {name: dataclasses.replace(SMALL, slice=name).losses(w, data) for name in SLICES}
        return log_p, losses, SMALL.population_loss(w)

    return jax.tree.map(np.asarray, everything(w))


def test_predictions_do_not_see_what_they_predict(computed):
    before, after = computed[0]
    np.testing.assert_array_equal(before[:, :5], after[:, :5])
    assert np.abs(before[:, 5:] - after[:, 5:]).max() > 1e-3


def test_slices_sum_to_the_whole_and_count_their_tokens_alone(computed, data):
    (log_p, _), losses, _ = computed
    np.testing.assert_allclose(sum(losses[kind] for kind in synthetic.KINDS), losses["all"], rtol=1e-12)
    kinds, tokens = np.asarray(data.kinds), np.asarray(data.tokens)
    by_hand = -sum(log_p[7, i, tokens[7, i + 1]] for i in range(8) if kinds[7, i, 2])
    assert losses["copy"][7] == pytest.approx(by_hand)


def test_the_population_stands_for_fresh_sequences(computed):
    _, losses, population = computed
    fresh = losses["all"]
    assert abs(population - fresh.mean()) < 5 * fresh.std() * np.sqrt(1 / len(fresh) + 1 / 64)
    assert isinstance(SMALL.probe(3), Text)


def test_observables_of_a_network_that_knows_nothing(w):
    """Logits 0, whose distance from each ideal is known."""
    silent = {**w, **{name: jnp.zeros_like(w[name]) for name in w if name.startswith("unembed")}}
    seen, outputs = jax.jit(jax.vmap(lambda w: (SMALL.observables(w), SMALL.outputs(w))))(
        jax.tree.map(lambda *leaves: jnp.stack(leaves), silent, w)
    )
    probe = SMALL.probe(64)
    for name, p in synthetic.predictions(probe.tokens, LAW).items():
        p = np.asarray(p)
        assert float(seen[f"KL {name}"][0]) == pytest.approx(np.mean(np.sum(p * np.log(p * 5), axis=-1)))
    for kind in synthetic.KINDS:
        assert float(seen[f"loss {kind}"][0]) == pytest.approx(np.log(5))
    assert float(seen["in-context score"][0]) == pytest.approx(0, abs=1e-12)
    assert np.abs(outputs[0]).max() == 0
    assert np.abs(outputs[1]).max() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary": 1}, "vocabulary must be at least 2, not 1"),
        ({"length": 3}, "length must be at least 4, not 3"),
        ({"copying": 1.0}, "copying must be at least 0 and less than 1, not 1.0"),
        ({"slice": "fourgram"}, "slice must be one of all, bigram, trigram, copy, not 'fourgram'"),
        ({"width": 9}, "width must be a multiple of heads = 4, not 9"),
        ({"prior_scale": 0.0}, "prior_scale"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Induction(**options)
