"""Learning coefficients from tempered populations: the thermodynamic path, WBIC, regression on 1 / beta, WAIC."""
