"""A pipeline-parallel job that profiles itself, plans a clock for every computation, and follows the plan (Perseus)."""
