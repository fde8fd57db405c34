"""The HTTP API: the one way in for edges, screens, scanners and operators."""
