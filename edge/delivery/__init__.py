"""Delivery: the outbox, the courier that empties it, and the client of the API."""
