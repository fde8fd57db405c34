"""People: visitors, staff and chats, and the updates that they send to the bot."""
