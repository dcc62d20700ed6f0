"""Posteriors: samplers behind one protocol, and the ladder over n."""
