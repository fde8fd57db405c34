"""The list of the pages. Streamlit runs this file at each refresh; `__main__` starts the server."""

import streamlit as st

from dashboard.markup import TEMPLATES
from dashboard.views.gate import show_gate

st.set_page_config(page_title="Maskgate", page_icon="🚪", layout="wide")
st.html(TEMPLATES / "page.css")
st.navigation([st.Page(show_gate, title="Gate", default=True)], position="hidden").run()
