"""Records: one for each picture, with what is known of its faces.

The room reads picture folders in the public layouts, finds duplicates, and measures how well a
face can be seen. Begin with `record.py`, then read `any_layout.py`.
"""
