"""Models of users: numpyro programs, flax networks, functions and files named in a configuration.

An adapter turns what it is given into a `slt.models.base.Model`, tries it on a few rows, and raises ConfigError that
names the option where that is no model. It knows the libraries of users and the interface of models; it knows nothing
of training, samplers, estimators, phases or reports, and none of them knows an adapter.
"""
