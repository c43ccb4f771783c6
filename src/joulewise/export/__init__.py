"""Sinks: where records go to be kept, drawn and watched by other tools; each takes records and knows no other."""
