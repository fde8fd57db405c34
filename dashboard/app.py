"""The dashboard's entry: `python -m streamlit run dashboard/app.py`, from the repository's root.

With -m, Python puts the root on its path, and so finds `dashboard` and `cloud.contract`; the bare
`streamlit run dashboard/app.py` needs PYTHONPATH=. for that.
"""

import streamlit as st

from dashboard.markup import TEMPLATES
from dashboard.views.gate import show_gate

st.set_page_config(page_title="Maskgate", page_icon="🚪", layout="wide")
st.html(TEMPLATES / "page.css")
st.navigation([st.Page(show_gate, title="Gate", default=True)], position="hidden").run()
