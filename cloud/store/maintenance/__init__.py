"""Maintenance: backup, migration, retention, deletion, erasure, and readings for the metrics."""
