"""The demo: every part of Maskgate on one machine, with a bundled clip for a camera.

Begin to read in `__main__.py`, the command `python -m demo`:

- `deployment.py` starts the processes of the `Procfile` and prepares keys, gate and device.
- `process.py` runs one of these processes, and shows its lines.
- `scenario.py` follows a pass from the event to the door, and checks that it admits once.
- `clip.py` draws `clip.mp4`; `clip.md` says where the person in it comes from.
"""
