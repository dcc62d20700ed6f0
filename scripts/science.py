"""Make results/ again: all studies and experiments, or the studies named. From the checkout:

python -m scripts.science [STUDY ...]; for experiments alone, python -m experiments [NAME ...]
"""

import sys

import slt
from experiments import making
from scripts import results

if __name__ == "__main__":
    named = sys.argv[1:]
    unknown = [name for name in named if name not in results.STUDIES]
    if unknown:
        sys.exit(f"no study called {unknown[0]!r}; the studies: {', '.join(results.STUDIES)}")
    slt.configure_jax()
    for study in named or [name for name in results.STUDIES if name not in results.PEERS]:
        print(f"{study} ...", flush=True)
        print(f"  {results.make(study)}", flush=True)
    for name in [] if named else making.names():
        print(f"{name} ...", flush=True)
        found = making.make(name)
        print(f"  {found['verdict']}: {found['numbers']}", flush=True)
    if not named:
        print(making.write_table())
