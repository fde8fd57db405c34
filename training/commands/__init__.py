"""The subcommands of `python -m training`, a file for each. `options.py` holds shared options."""
