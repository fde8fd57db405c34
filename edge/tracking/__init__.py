"""Tracking and voting: many labels of one person become one verdict.

`sightings.py` is the place to begin.
"""
