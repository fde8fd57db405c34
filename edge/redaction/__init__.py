"""Passwords and tokens are redacted in everything that the edge writes and shows.

Begin with `addresses`, which takes an address apart. `secrets` knows the secrets of this process,
and `command_line` hides both in what a command line shows.
"""
