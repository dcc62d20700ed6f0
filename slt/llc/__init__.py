"""Learning coefficients: one question, every common estimator, one record with an error and its flags."""
