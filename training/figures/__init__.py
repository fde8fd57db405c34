"""Plots, tables and contact sheets."""
