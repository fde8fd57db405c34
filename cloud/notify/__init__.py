"""Notifications: one module for each channel, the table of channels, and the texts of messages."""
