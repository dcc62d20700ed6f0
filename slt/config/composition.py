"""From files and overrides to one composed configuration, with errors that a person can act on."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from slt.errors import ConfigError, suggestion

# Hydra knows no null for a group of presets, as it does for the values posterior, training and data.
OFF = "llc=null"


def configs_dir() -> Path:
    """The presets that come with slt: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def compose(overrides: Sequence[str] = (), config_dir: str | Path | None = None) -> DictConfig:
    """The configuration of a run. Raises ConfigError for what cannot be composed.

    Args:
      overrides: Hydra overrides, such as "model=superposition" or "training.seeds=16"; `OFF` besides.
      config_dir: a directory with more configs, laid out like those of slt.
    """
    kept = [override for override in overrides if override != OFF]
    with explained(kept, config_dir), _initialized():
        config = hydra_compose("config", overrides=[*kept, *search_path(config_dir)])
    if len(kept) < len(overrides):
        OmegaConf.update(config, "llc", None, force_add=True)
    return config


def search_path(config_dir: str | Path | None) -> list[str]:
    """The override that adds `config_dir` to where Hydra looks."""
    if config_dir is None:
        return []
    path = Path(config_dir).resolve()
    if not path.is_dir():
        raise ConfigError(f"the config directory {path} does not exist")
    return [f"hydra.searchpath=[{quoted(f'file://{path}')}]"]


def quoted(text: str) -> str:
    """`text` as a value in an override, whatever characters it holds."""
    # Hydra takes a backslash as it is, except before a quote
    escaped = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), text)
    return f"'{escaped}'"


@contextlib.contextmanager
def explained(overrides: Sequence[str], config_dir: str | Path | None = None) -> Iterator[None]:
    """Turn what Hydra raises for bad input into a ConfigError that names the nearest valid choice."""
    try:
        yield
    except YAMLError as error:
        where = getattr(error, "problem_mark", None)
        place = "" if where is None else f" {where.name}, line {where.line + 1}"
        raise ConfigError(
            f"a configuration is not YAML:{place}: {getattr(error, 'problem', error)}"
        ) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ConfigError(_explanation(error, overrides, config_dir)) from error


def make_importable(folder: Path) -> None:
    """Let modules in `folder` be imported, after all that is installed."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


@contextlib.contextmanager
def _initialized() -> Iterator[None]:
    """Hydra ready for slt's presets; whoever used Hydra before gets it back."""
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(configs_dir()), job_name="slt", version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = before


def _explanation(error: Exception, overrides: Sequence[str], config_dir: str | Path | None) -> str:
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options is not None:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        choice = choice.removesuffix(".yaml")
        return f"there is no {group} called {choice!r}" + suggestion(choice, error.options)
    text = str(error).strip()
    if isinstance(error, OverrideParseException):
        what = f"{error.override!r} is not a valid override: {text.splitlines()[0]}"
        return f"{what}\nWrite key=value, e.g. training.seeds=16"
    if text.startswith("Config group override must be"):
        wrong = " ".join(o for o in overrides if re.fullmatch(r"[^.=]*=(null|true|false|[-\d.]*)", o))
        return f"{wrong}: what stands here is the name of a preset, e.g. model=superposition"
    found = re.search(r"Could not override '([^']+)'", text)
    if found:
        return _unknown_key(found.group(1), overrides, config_dir)
    return "\n".join(line.strip() for line in text.splitlines()[:3])


def _keys(node: Any, prefix: str = "") -> Iterator[str]:
    """The dotted names of all options under `node`."""
    for name in node:
        yield f"{prefix}{name}"
        if OmegaConf.is_dict(node) and OmegaConf.is_dict(node._get_node(name)):
            yield from _keys(node._get_node(name), f"{prefix}{name}.")


def _unknown_key(key: str, overrides: Sequence[str], config_dir: str | Path | None) -> str:
    """For a key that the configuration does not have: what it has at the same place."""
    if key.startswith("hydra."):
        return f"neither Hydra nor its chosen launcher has an option {key!r}\nTo add it, write +{key}=VALUE"
    default = compose((), config_dir)
    if OmegaConf.select(default, key) is not None:
        return f"{key} cannot be set here: the configuration that you chose has no {key.rpartition('.')[0]}"
    parent, _, last = key.rpartition(".")
    elsewhere = [known for known in _keys(default) if known.rpartition(".")[2] == last]
    if elsewhere:
        return f"there is no option {key!r}\nDid you mean {' or '.join(map(repr, elsewhere[:3]))}?"
    group = r"(model|optimizer|sampler|llc|experiment)=\w+"
    presets = [override for override in overrides if re.fullmatch(group, override)]
    chosen = compose(presets, config_dir) if presets else default
    while parent and not OmegaConf.is_dict(OmegaConf.select(chosen, parent)):
        key, (parent, _, last) = parent, parent.rpartition(".")
    node = OmegaConf.select(chosen, parent) if parent else chosen
    if not node:
        return f"there is no option {key!r}\nTo add it, write +{key}=VALUE"
    choices = [str(name) for name in node] + (
        [] if parent else ["model", "optimizer", "sampler", "experiment"]
    )
    return f"there is no option {key!r}" + suggestion(
        last, choices, f"options{' of ' + parent if parent else ''}"
    )
