"""Test claims: all of them, or those named. From the checkout: python -m experiments [NAME ...]

Each leaves figure.png and finding.json in its folder; the table of all is results/experiments.md.
"""

import sys

import slt
from experiments import making

if __name__ == "__main__":
    known = making.names()
    wanted = sys.argv[1:] or known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"no experiment called {unknown[0]!r}; the experiments: {', '.join(known)}")
    slt.configure_jax()
    making.make_all(wanted)
