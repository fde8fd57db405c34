"""Boxes around faces: suppression, blending, crops, sizes."""
