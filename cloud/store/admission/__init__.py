"""Admission: accepted events, their passes, and the redemptions of those."""
