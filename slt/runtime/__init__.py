"""What every computation needs of the machine: JAX's set-up, devices, random keys, progress, and computations in
pieces.

It knows JAX and the operating system. It must not know of models, samplers, records or files, and nothing happens
when it is imported: `jax_setup.configure_jax` is called by whoever starts a program.
"""
