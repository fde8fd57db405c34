"""Preparing: from a camera or a folder to a prepared set of pictures.

`collect.py` saves labelled faces from a camera. `prepare.py` reads sets of pictures, finds
duplicates, splits the pictures and writes the records. Begin with `prepare.py`.
"""
