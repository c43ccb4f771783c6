"""Deciders across jobs that recur: which batch size, run for how long, learned from run to run."""
