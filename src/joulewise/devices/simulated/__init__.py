"""Twins of devices: small laws of time and power, fitted to measurements."""
