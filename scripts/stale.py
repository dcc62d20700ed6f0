"""Say which results were made by other code than this. Says, and does not fail: old numbers may still be right."""

import slt
from experiments import making
from scripts import results

if __name__ == "__main__":
    slt.configure_jax()
    states = {f"results/{name}.md": results.state(name) for name in results.names()}
    states |= {f"experiments/{name}": making.state(name) for name in making.names()}
    for what, state in states.items():
        print(f"{state:8} {what}")
    old = sum(state != "current" for state in states.values())
    print(f"{old} of {len(states)} results are stale or missing" if old else "all results are of this code")
    if old:
        print("make them again: make science")
