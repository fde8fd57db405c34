"""Sites: gates, their devices, and what passes between the two."""
