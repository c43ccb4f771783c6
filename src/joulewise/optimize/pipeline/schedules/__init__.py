"""Generators of pipeline schedules, one per file."""
