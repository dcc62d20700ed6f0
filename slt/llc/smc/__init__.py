"""Learning coefficients from tempered populations: the thermodynamic path, WBIC, regression on 1 / beta, WAIC.

All read one curve of log Z, E[K] and Var[K] against nbeta (`tempered_path`), which the driver of `slt.posterior`
makes.
"""
