"""Faults on purpose: the real processes are killed, paused and lied to, and then counted."""
