"""Stragglers: who is one, how slow, and which plan every pipeline runs because of it."""
