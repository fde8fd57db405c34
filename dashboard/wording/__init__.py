"""Wording: what the page writes about events, passes, messages and devices. Nothing is drawn here.

Begin to read in `banner`: the words for the person who stands at the gate.
"""
