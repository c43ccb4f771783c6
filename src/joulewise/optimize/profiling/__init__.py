"""Profiling a pipeline while it trains: which clocks to try next, and what was learnt from trying them."""
