"""Façades in the shape of other libraries, so that scripts move by changing one import."""
