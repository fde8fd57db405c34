"""The pictures of one source, with the time of each.

Begin with `camera`, which reads a source in a thread of its own. `sources` opens what it reads.
"""
