"""Boxes around faces: suppression, blending, crops, and the sizes of a model's input.

The room needs no network. Begin with `detections.py`.
"""
