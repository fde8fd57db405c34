"""Made sequences: people, prints and phones before a door, as its camera would show them.

The sequences are made from pictures. The edge's own models and its own tracker judge them, and the
verdicts are compared with what each person wore.
"""
