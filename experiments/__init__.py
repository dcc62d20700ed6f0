"""Claims about toy models, each tested by a study: one folder with `study.py`, README.md and what was found.

A study may use all of slt and the modules at the top here; it imports no other study, and slt and `scripts` do not
import it.
"""
