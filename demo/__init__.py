"""The demo: every part of Maskgate on one machine, with a bundled clip for a camera."""
