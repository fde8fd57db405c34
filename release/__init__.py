"""Making a release: what must be true of it, and what is published.

docs/release.md tells the steps.
"""
