"""From a camera or a folder to a prepared set."""
