"""A clock for every computation of a pipeline iteration (Perseus)."""
