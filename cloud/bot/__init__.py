"""The Telegram bot: it serves visitors and gate staff, and it takes the presses of alert buttons.

The way from an update of Telegram to an answer, file by file:

1. `leader_election`: of all the bots that run, the one that holds the lease does the work.
   `restart_backoff` says when a bot that lost its connection starts again. Begin to read here.
2. `main_loop`: puts the parts below together, and runs them until the bot stops.
   `introduction` shows Telegram the bot's commands.
3. `long_polling` or `webhook`: an update arrives; `update_parsing` reads it, and
   `connection_watchdog` raises ConnectionLost when none can arrive any more.
4. `inbox`: keeps the update in the store until it is answered, and skips an update that was
   answered before. `senders` says who sent it, and `flood_control` whether it is accepted.
5. `chat_queues`: handles the updates of each chat in their order.
6. `handlers`: turns the update into a `chat_request`, and the answer into a message.
7. `conversation`: finds the answer. It asks `commands`, `scanning` (which reads photos with
   `qr_reader`), `chat_settings`, `alert_button` or `membership`. None of these imports Telegram.
8. `rate_limiter`: sends the message when Telegram's limits allow it.
"""

from cloud.bot.leader_election import run

__all__ = ["run"]
