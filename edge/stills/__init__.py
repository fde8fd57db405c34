"""Stills: pictures of people that are held before the camera, or hang in its view.

`check.py` is the place to begin.
"""
