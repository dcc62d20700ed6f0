"""SGD: ensembles of seeds, trained in time."""
