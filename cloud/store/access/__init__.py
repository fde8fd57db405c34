"""Access: who may call the API: accounts, sessions and keys, and how often each may try."""
