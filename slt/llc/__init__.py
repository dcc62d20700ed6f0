"""Learning coefficients: one problem, every common estimator, one record with an error and its flags.

Knows the problem (`problem`), estimators by family (`mcmc`, `smc`, `nested`, `curvature`), coefficients along
training (`trajectory`), and what can be wrong with an estimate (`flags`). Must not know how training or a run is
organized, or what follows from a coefficient.
"""
