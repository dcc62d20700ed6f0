"""Transitions of each learner, on its own axis: of SGD in steps, of the posterior in n.

Knows how a transition is found in labels, in shares of the posterior and in curves without labels, where the free
energy formula predicts one, and how high the path between two phases rises. Must not know the other learner when it
looks at one, and must not match the two or judge them: that is `slt.comparer`.
"""
