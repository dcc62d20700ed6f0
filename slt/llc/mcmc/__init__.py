"""Learning coefficients by Markov chains around a point: SGLD, MALA and HMC for small models, SGLD for networks."""
