"""Make results/ again: all studies and experiments, or the studies named. From the checkout:

python -m scripts.science [STUDY ...]; for experiments alone, python -m experiments [NAME ...]
"""

import sys

import slt
from experiments import making
from scripts import results

if __name__ == "__main__":
    named, known = sys.argv[1:], results.names()
    unknown = [name for name in named if name not in known]
    if unknown:
        sys.exit(f"no study called {unknown[0]!r}; the studies: {', '.join(known)}")
    slt.configure_jax()
    for study in named or [name for name in known if name not in results.PEERS]:
        print(f"{study} ...", flush=True)
        print(f"  {results.make(study)}", flush=True)
    if not named:
        making.make_all(making.names())
