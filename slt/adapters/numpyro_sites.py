"""The sites of a numpyro program: found before anything is computed, and refused where they make no model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers

from slt.adapters.user_model import FEW, MORE, Rows
from slt.errors import ConfigError
from slt.runtime.random_keys import random_key


class Site(NamedTuple):
    """What is known of a site before anything is computed.

    Attributes:
      kind: numpyro's type of site.
      observed: whether data stand there.
      shape: of its value.
      terms: shape of its log probability; None where it has none.
      discrete: whether its support is.
      scaled: whether its log probability counts more or less than once.
      subsampled: whether it is a plate that shows some of its rows only.
    """

    kind: str
    observed: bool = False
    shape: tuple[int, ...] = ()
    terms: tuple[int, ...] | None = None
    discrete: bool = False
    scaled: bool = False
    subsampled: bool = False


def look(call: Callable[..., Any], rows: Rows) -> dict[str, Site]:
    """The sites that a program has on rows of these shapes; nothing is computed."""
    found: dict[str, Site] = {}

    def run(rows: Rows) -> None:
        seeded = handlers.seed(call, random_key(0))
        for name, site in handlers.trace(seeded).get_trace(**rows).items():
            found[name] = _site(site)

    jax.eval_shape(run, rows)
    return found


def _site(site: dict[str, Any]) -> Site:
    if site["type"] == "plate":
        size, shown = site["args"]
        return Site("plate", subsampled=shown is not None and shown != size)
    if site["type"] != "sample":
        return Site(site["type"], shape=jnp.shape(site["value"]))
    return Site(
        "sample",
        observed=site["is_observed"],
        shape=jnp.shape(site["value"]),
        terms=jnp.shape(site["fn"].log_prob(site["value"])),
        discrete=site["fn"].support.is_discrete,
        scaled=not (site["scale"] is None or (np.isscalar(site["scale"]) and site["scale"] == 1)),
    )


def split(sites: dict[str, Site], path: str, rows: Rows) -> tuple[list[str], list[str]]:
    """Latent and observed sites. Raises ConfigError for a site of another kind, and for none of one of them."""
    for name, site in sites.items():
        if site.kind == "param":
            raise ConfigError(
                f"program: {path} has the param site {name!r}, which has no prior: write numpyro.sample"
            )
        if site.subsampled:
            raise ConfigError(f"program: the plate {name!r} of {path} subsamples: leave subsample_size out")
    latent = [name for name, site in sites.items() if site.kind == "sample" and not site.observed]
    observed = [name for name, site in sites.items() if site.observed]
    if not observed:
        raise ConfigError(
            f"program: {path} observes nothing of {', '.join(rows)}\n"
            "numpyro.sample(..., obs=y) or numpyro.factor must meet the data"
        )
    if not latent:
        raise ConfigError(f"program: {path} has no latent site, so that there is nothing to learn")
    return latent, observed


def check_latent(name: str, few: Site, more: Site, path: str, rows: Rows) -> None:
    where = f"program: the latent site {name!r} of {path}"
    if few.shape != more.shape:
        raise ConfigError(
            f"{where} has one value for each observation: sum or integrate it out in the likelihood\n"
            f"If {name!r} is what is observed, the data lack it: they give {', '.join(rows)}"
        )
    if more.discrete:
        raise ConfigError(f"{where} is discrete: sum it out in the likelihood, as by dist.MixtureSameFamily")
    if more.scaled:
        raise ConfigError(f"{where} is scaled, so that its prior is no density: scale observed sites only")


def row_axis(name: str, few: Site, more: Site, path: str) -> int:
    """The axis, from the last, of a site's log probability along which rows lie."""
    short, long = few.terms or (), more.terms or ()
    axes = [i for i in range(-len(long), 0) if len(short) == len(long) and short[i] != long[i]]
    if len(axes) == 1 and (short[axes[0]], long[axes[0]]) == (FEW, MORE):
        return axes[0]
    wrong = "one log probability for all rows" if not axes else f"log probabilities of shape {long}"
    raise ConfigError(
        f"program: the observed site {name!r} of {path} has {wrong} at {MORE} rows\n"
        "It must have one for each, so that rows can be counted: put it in a plate of the data's size"
    )
