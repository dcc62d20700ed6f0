"""What stages hand to one another: frozen, typed, documented, and convertible to xarray.

It knows the axes, units and names of every array. It must not know how anything is computed, stored or drawn; numpy
is all that it needs.
"""
