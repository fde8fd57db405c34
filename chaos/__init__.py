"""Chaos tests: faults strike real processes, and the results are counted afterwards."""
