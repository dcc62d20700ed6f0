"""The model collection: one file for each toy model, or one package of its name where it needs more than a file.

A model knows its data, its losses, its prior, and the phases that theory gives it (`base.Model`). It knows nothing of
how it is trained or sampled, of runs, files or figures: it imports nothing of slt but `errors`, `records.base`,
`runtime` and other modules of this package. What several models share is in `common`; at the top beside the models
are `base`, `datasets` (the data that both learners get) and `drawing` (how a model shows one of its parameters).
"""
