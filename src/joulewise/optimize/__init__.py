"""Deciders: pure functions from frontiers to settings."""
