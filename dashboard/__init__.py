"""The dashboard: what a gate last saw, for the people who stand at it and the people who run it.

A Streamlit app that reads the cloud's API alone. Begin to read in `app.py`, which Streamlit runs at
each refresh, and go on in `views/gate.py`, the one page:

- `views/` has the pages, and `panels/` their parts: the banner, the tables, the button of the gate.
- `wording/` turns the models of the API into the words of the page. It draws nothing.
- `client.py` calls the API, `connection.py` shares one client among all viewers, and `history.py`
  searches events and messages page by page.
- `door/` is the page for the screen at a door, which is not drawn by Streamlit; `server.py` serves
  both.
- `templates/` holds the HTML, the style sheet and the script; `markup.py` fills the HTML in.
"""
