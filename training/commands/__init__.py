"""The subcommands of `python -m training`, a file for each group."""
