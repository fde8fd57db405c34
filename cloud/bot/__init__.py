"""The Telegram bot: makes visitors and staff of chats, redeems passes, takes alerts' buttons.

`conversation` knows what is answered, and nothing of Telegram; `handlers` turns updates into
questions and answers into messages; `running` keeps one bot at work among many.
"""

from cloud.bot.running import run

__all__ = ["run"]
