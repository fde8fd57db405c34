"""Answering: the answer to each request of a chat. Nothing here imports Telegram's library.

Begin to read in `conversation`, which asks the other modules for the answer.
"""
