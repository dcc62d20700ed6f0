"""The worked examples of docs/: short, they run as written, and they pass what every model of the collection must."""

import runpy
import shlex

import jax
import pytest

import slt
from slt.cli import main
from tests.adapters import documents
from tests.models import test_conformance
from tests.models.test_conformance import (  # noqa: F401  (the suite, with the models of the docs in its place)
    data,
    load,
    model,
    points,
    prior,
    test_a_model_is_a_pytree_whose_sizes_are_static,
    test_jit_agrees_with_plain_calls,
    test_losses_in_float32_stay_float32,
    test_phases_are_what_they_claim,
    test_prior_density_belongs_to_its_samples,
    test_prior_density_is_normalized,
    test_samples_are_nested_float64_and_reproducible,
    test_shapes_and_kinds,
    test_summed_loss_and_its_gradient_equal_the_weighted_sum,
    test_values_and_gradients_are_finite,
    test_vmap_agrees_with_single_calls,
)

PAGES = {
    "bring_your_own_numpyro.md": "tone",
    "bring_your_own_flax.md": "rings",
    "adding_a_model.md": "product",
}
TINY = {
    "tone": ["posterior.sample_sizes=[5,20]", "posterior.sampler.particles=32", "training.n=50"],
    "rings": ["posterior.sample_sizes=[5,20]", "posterior.sampler.particles=32", "training.n=50"],
    "product": ["posterior.sample_sizes=[1,20]", "training.n=50"],
}
SHORT = ["training.seeds=2", "training.steps=50", "data.datasets=1", "training.checkpoints=20"]


@pytest.fixture(scope="module", params=PAGES, ids=PAGES.get)
def page(request):
    return request.param


@pytest.fixture(scope="module")
def home(page, tmp_path_factory):
    """The directory of a page's files, where Python finds its modules and relative paths begin."""
    folder = tmp_path_factory.mktemp(PAGES[page])
    documents.write(page, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        for command in documents.commands(page):
            if command.startswith("python "):
                runpy.run_path(command.removeprefix("python "))
        yield folder


@pytest.fixture(scope="module")
def path(page, home):
    return home / "configs" / "model" / f"{PAGES[page]}.yaml"


def test_an_example_is_under_sixty_lines_in_all(page):
    assert 0 < sum(len(content.splitlines()) for content in documents.files(page).values()) < 60


def test_the_commands_of_a_page_work_as_written(page, home, capsys):
    name = PAGES[page]
    (run,) = [words for words in documents.commands(page) if words.startswith("slt run")]
    for command in documents.commands(page):
        if command.startswith("slt models"):
            assert main(shlex.split(command)[1:]) == 0
    assert main([*shlex.split(run)[1:], *TINY[name], *SHORT]) == 0
    assert "report:" in capsys.readouterr().out
    found = slt.load("latest", "runs")
    assert found.status == "done"
    assert set(found.manifest["stages"]) >= {"data", "training", "posterior", "phases", "comparison"}
    assert not any("failed" in status for counts in found.summary["status"].values() for status in counts)


def test_losses_average_to_the_population_loss(page, model, points):  # noqa: F811
    if page == "adding_a_model.md":
        test_conformance.test_losses_average_to_the_population_loss(model, points)
        return
    w = jax.tree.map(
        lambda leaf: leaf[0], points
    )  # a sample stands for the population: of all rows, or of some
    rows = model.sample(jax.random.key(0), 2000)
    apart = model.losses(w, rows)
    error = apart.std() * (2 / 2000) ** 0.5
    assert abs(float(model.population_loss(w) - apart.mean())) < 5 * float(error)
