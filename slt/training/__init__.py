"""SGD: ensembles of seeds, trained together.

It knows models, optimizers and checkpoints. It must not know of posteriors, phases or learning coefficients.
"""
