"""From an experiment to its records and its report: which stages there are, in which order, and what each rests on.

It knows every other part of the package by its public names. It must not compute, draw or parse anything itself, and
nothing but the command line and the public API may import it.
"""
