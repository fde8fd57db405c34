"""Receiving: the way of an update from Telegram into the queue of its chat.

Begin to read in `inbox`, which each update passes through. `long_polling` and `webhook` bring the
updates, and `connection_watchdog` knows when none can arrive any more.
"""
