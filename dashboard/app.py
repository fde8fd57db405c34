"""The list of the pages, which Streamlit runs at each refresh; `server` serves it."""

import streamlit as st

from dashboard.markup import TEMPLATES
from dashboard.views.gate import show_gate

st.set_page_config(page_title="Maskgate", page_icon="🚪", layout="wide")
st.html(TEMPLATES / "page.css")
st.navigation([st.Page(show_gate, title="Gate", default=True)], position="hidden").run()
