"""The cloud: turns events into access decisions and passes, and gets them to people."""
