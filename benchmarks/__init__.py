"""Benchmarks: each row is measured against something else in the same run."""
