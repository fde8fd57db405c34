"""Model updates from afar: a package comes from the cloud, is tried, and takes its model's place.

The folder `EDGE_STATE_DIR/models` holds `installed.json`, one folder for each package that is in
use, and `download.part`. Every step ends with one atomic rename, so a device that is switched off
in the middle goes on from the last step that was finished.
"""
