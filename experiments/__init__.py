"""Claims that people make about toy models, each put to the test: one folder, one `study.py`."""
