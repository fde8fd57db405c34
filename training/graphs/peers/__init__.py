"""Other people's released models, decoded as their authors decode them, to compare ours with.

Their files are named on the command line and are no part of this project.
"""
