"""The stages of a run, a module each; `slt.pipeline.stage` says what such a module declares.

A stage knows the records that it reads and the one that it makes, and how to compute the one from the others. It must
not know of files, hashes, progress bars, other stages' internals, or the order of a run.
"""
