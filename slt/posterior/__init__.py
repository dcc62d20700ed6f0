"""Posteriors: samplers of one tempered posterior behind one protocol, and the posterior at every sample size n.

Knows targets (prior x exp(-nbeta L_n)), quadrature, NUTS, tempered populations and their one driver, and when what
was sampled is not trusted. Must not know of phases, transitions, learning coefficients or SGD.
"""
