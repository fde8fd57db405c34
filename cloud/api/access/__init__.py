"""Who calls, what the caller may do, and what routes are given."""
