"""Say which results were made by other code than this. Says, and does not fail: old numbers may still be right."""

import json

import slt
from experiments import making
from scripts import results


def study_verdict(study: str) -> str:
    file = results.RESULTS / f"{study}.json"
    if not file.exists():
        return "missing"
    made_by = json.loads(file.read_text())["provenance"]["code_version"]
    return "current" if made_by == results.stamp(results.load(study)) else "stale"


if __name__ == "__main__":
    slt.configure_jax()
    verdicts = {f"results/{study}.md": study_verdict(study) for study in results.STUDIES}
    found = making.findings()
    for name in making.names():
        state = (
            "missing" if name not in found else "current" if making.is_current(name, found[name]) else "stale"
        )
        verdicts[f"experiments/{name}"] = state
    for what, verdict in verdicts.items():
        print(f"{verdict:8} {what}")
    old = sum(verdict != "current" for verdict in verdicts.values())
    print(f"{old} of {len(verdicts)} results are stale or missing" if old else "all results are of this code")
    if old:
        print("make them again: make science")
