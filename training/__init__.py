"""Training makes the project's models, from pictures to files that the edge runs.

It shares no Python with the edge: the model file is their contract. Read `__main__.py` for the
commands, then the rooms from below: records, boxes, networks, samples, graphs, measuring, loop,
preparing, shipping.
"""
