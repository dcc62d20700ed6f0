"""Learning coefficients by Markov chains around a point: SGLD, MALA and HMC for small models, SGLD for networks.

One set of options, kernels, diagnostics and records; two calibrations, since what can be measured differs: by
acceptance where the full loss is affordable at every step, by curvature and the noise of gradients where it is not.
"""
