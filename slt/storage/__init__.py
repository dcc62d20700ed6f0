"""Records on disk, runs, sweeps, unfinished computations, and the version of the code that made them.

It knows files, hashes and processes. It must not know what the items of a record mean: it stores arrays and JSON.
"""
