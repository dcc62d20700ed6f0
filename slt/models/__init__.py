"""The zoo: one file for each toy model, all behind `base.Model`."""
