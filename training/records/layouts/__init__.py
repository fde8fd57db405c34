"""Readers of the layouts in which people have face-mask pictures, one file for each layout.

`any_layout.py`, a floor above, finds out which layout a folder is in. Begin with `set_reader.py`,
which says what the readers share. Decision 10 says why they are our own.
"""
