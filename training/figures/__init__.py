"""Figures for people: plots, tables and contact sheets. Begin with `tables.py`."""
