"""Transitions: dynamical in steps, Bayesian in n, and predicted by the free energy formula."""
