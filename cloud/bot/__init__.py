"""The Telegram bot: it serves visitors and gate staff, and it takes the presses of alert buttons.

The way from an update of Telegram to an answer:

1. `leader_election`: of all the bots that run, the one that holds the lease does the work.
   `restart_backoff` says when a bot that lost its connection starts again. Begin to read here.
2. `main_loop`: puts the parts below together, and runs them until the bot stops.
   `introduction` shows Telegram the bot's commands.
3. `receiving/long_polling` or `receiving/webhook`: an update arrives. `receiving/update_parsing`
   reads it, and `receiving/connection_watchdog` raises ConnectionLost when none can arrive.
4. `receiving/inbox`: keeps the update in the store until it is answered, and skips an update that
   was answered before. `receiving/senders` says who sent it, and `receiving/flood_control` whether
   it is accepted.
5. `receiving/chat_queues`: handles the updates of each chat in their order.
6. `handlers`: turns the update into a request (`request_parsing`), and the answer into a message.
7. `answering/conversation`: finds the answer. It asks `commands`, `scanning` (which reads photos
   with `qr_reader`), `chat_settings`, `alert_button` or `membership`, all in `answering`.
8. `rate_limiter`: sends the message when Telegram's limits allow it.
"""

from cloud.bot.leader_election import run

__all__ = ["run"]
