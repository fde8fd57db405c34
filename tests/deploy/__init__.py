"""What is shipped, run as it is run by its users. Needs a container engine: see conftest."""
