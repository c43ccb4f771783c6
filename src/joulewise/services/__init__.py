"""Processes of our own: servers that others are clients of."""
