"""Energy over windows of time, from what devices read, with what is not known about it."""
