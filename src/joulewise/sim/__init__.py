"""Worlds: workloads that run on the twins of devices."""
