"""The dashboard: what a gate last saw, for the people who stand at it and the people who run it.

A Streamlit app, and a client of the cloud's API alone. Read it from `app.py` on.
"""
