"""Which phase a parameter is in, and how much of the posterior each phase holds.

Knows the model's classifier, phases found by clustering where a model names none, occupancies and local free energies
with their errors, and which parameter stands for a phase in a drawing. Must not know when a phase is left for another
(`slt.transitions`), what a verdict is (`slt.comparer`), or how anything is drawn (`slt.report`).
"""
