"""What several models share: abstract families, priors, networks, and checks of options.

A module here knows the mathematics that its models have in common, and none of them: it imports `base` and `drawing`,
other modules of `common`, and never a model. What only one model needs is in that model's package.
"""
