"""The configuration of a run: composed by Hydra from presets and overrides, checked against dataclasses, built.

It knows which options there are and what they must satisfy. It must not know how a run is carried out, or where its
records lie.
"""
