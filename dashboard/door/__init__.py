"""The page at a door: one small HTML page for each gate, which Streamlit has no part in.

    cloud ── one stream a gate ──▶ relay ── server-sent events ──▶ each screen

- `routes.py` serves the page, its files, its stream and the pairing.
- `relay.py` follows a gate's stream of the cloud once for all screens of this process.
- `scene.py` says what a visitor sees; it sends durations, since a tablet's clock may be wrong.
- `pairing.py` knows which screens are paired with which gate.
- `page/` has HTML, CSS and JavaScript; `texts/` has the words, a file for each language.
"""
