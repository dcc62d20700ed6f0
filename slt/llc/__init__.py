"""Learning coefficients: one problem, every common estimator, one record with an error and its flags."""
