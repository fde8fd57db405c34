"""The edge: the camera at the door, and the judgement of who stands before it.

The modules read from top to bottom as the data's way: `camera` → `faces` → `masks` → `sighting` →
`outbox` → `courier`. `docs/edge.md` says how to run it.
"""

__version__ = "0.1.0"
