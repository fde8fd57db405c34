"""Panels: the parts of a page, each drawn and refreshed by itself.

Begin to read in `verdict`: the banner with the QR code.
"""
