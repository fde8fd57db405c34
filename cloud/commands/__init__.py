"""The commands of `python -m cloud`, one file for each noun that they are about."""
