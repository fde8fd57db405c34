"""How accurate models are, and how fast."""
