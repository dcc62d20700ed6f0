"""Make results/ again: all studies, or those named. From the checkout: python -m scripts.science [STUDY ...]"""

import sys

from scripts import results

if __name__ == "__main__":
    wanted = sys.argv[1:] or [name for name in results.STUDIES if name not in results.PEERS]
    unknown = [name for name in wanted if name not in results.STUDIES]
    if unknown:
        sys.exit(f"no study called {unknown[0]!r}; the studies: {', '.join(results.STUDIES)}")
    for study in wanted:
        print(f"{study} ...", flush=True)
        print(f"  {results.make(study)}", flush=True)
