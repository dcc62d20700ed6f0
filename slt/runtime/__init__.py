"""What runs underneath: JAX's settings, devices, random keys, progress, and long computations in pieces."""
