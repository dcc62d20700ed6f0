"""slt: when a model learns in sudden jumps, do SGD and Bayes jump alike?"""

__version__ = "0.1.0"
