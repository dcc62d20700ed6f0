"""Say which results were made by other code than this. Says, and does not fail: old numbers may still be right."""

import json

from scripts import results

if __name__ == "__main__":
    stale = 0
    for study in results.STUDIES:
        file = results.RESULTS / f"{study}.json"
        if not file.exists():
            verdict = "missing"
        else:
            made_by = json.loads(file.read_text())["provenance"]["code_version"]
            verdict = "current" if made_by == results.stamp(results.load(study)) else "stale"
        stale += verdict != "current"
        print(f"{verdict:8} results/{study}.md")
    print(
        f"{stale} of {len(results.STUDIES)} results are stale or missing"
        if stale
        else "all results are of this code"
    )
    if stale:
        print("make them again: make science")
