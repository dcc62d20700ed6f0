"""The version of a study covers what the study rests on, without any list kept by hand."""

import ast

import pytest

from experiments import making, study_version
from scripts import results

STUDIES = [
    *(f"experiments.{name}.study" for name in making.names()),
    *(f"scripts.{name}" for name in results.names()),
]


def covered(monkeypatch, module):
    """The modules whose imports are followed, and the configurations that are composed."""
    seen = {}
    monkeypatch.setattr(study_version, "code_version", lambda modules: seen.setdefault("modules", modules))
    monkeypatch.setattr(study_version, "digest", lambda parts: seen.setdefault("presets", parts[1]))
    study_version.study_version(module)
    return seen["modules"], [config["name"] for config in seen["presets"]]


def test_presets_are_found_in_strings():
    assert study_version.presets(["experiment=demo", "model.features=6", "sampler=nuts,smc"]) == [
        "experiment=demo",
        "sampler=nuts",
    ]
    assert "model=strata" in study_version.presets(["model="])  # the beginning of an f-string: any of them
    assert study_version.presets(["model={width: 4}", "seed=3"]) == []


def test_a_preset_counts_with_the_classes_that_it_builds(monkeypatch):
    modules, presets = covered(monkeypatch, "experiments.superposition.study")
    assert "demo" in presets
    assert {"slt.models.superposition", "slt.posterior.data_tempering"} <= set(modules)


def test_a_study_that_composes_nothing_rests_on_no_preset(monkeypatch):
    modules, presets = covered(monkeypatch, "scripts.evidence")
    assert modules == ["scripts.evidence"]
    assert presets == []


def test_programs_of_other_processes_and_functions_named_in_strings_count(monkeypatch):
    assert {"slt.cli", "slt.storage.resumable"} <= set(covered(monkeypatch, "scripts.killed")[0])
    assert "scripts.sbc_cases" in covered(monkeypatch, "scripts.sbc")[0]


def test_the_version_follows_presets_and_code(monkeypatch):
    before = study_version.study_version("experiments.tanh.study")
    assert before == study_version.study_version("experiments.tanh.study")
    with monkeypatch.context() as patch:
        compose = study_version.compose
        patch.setattr(study_version, "compose", lambda overrides: compose([*overrides, "training.seeds=3"]))
        assert study_version.study_version("experiments.tanh.study") != before
    with monkeypatch.context() as patch:
        patch.setattr(study_version, "code_version", lambda modules: "another")
        assert study_version.study_version("experiments.tanh.study") != before


@pytest.mark.parametrize("module", STUDIES)
def test_a_study_imports_from_where_things_are(module):
    """`slt` itself is left out of versions: `from slt import run` would hide what runs."""
    for tree in study_version._own_modules(module):
        names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names += [
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        ]
        assert "slt" not in names


def test_every_folder_of_a_study_is_a_package():
    """Else the import contracts would not see it."""
    for name in making.names():
        assert (making.FOLDER / name / "__init__.py").exists(), name


def test_whatever_is_kept_in_results_has_a_study():
    assert {file.stem for file in results.RESULTS.glob("*.json")} <= set(results.names())
