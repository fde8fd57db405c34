"""Remarks: one sentence beside a panel, and the larger box of a failure with its mend."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboard.connection import Connection
from dashboard.errors import DashboardError
from dashboard.markup import render
from dashboard.wording.clock import LocalClock


def show_failure(error: DashboardError) -> None:
    """Show what failed and how to mend it."""
    st.html(render("trouble", title=error.title, what=error.what, mend=error.mend))


def show_remark(name: str, words: str, kind: str = "plain") -> None:
    """Show a sentence.

    Args:
        name: The name by which tests find the sentence.
        words: The sentence.
        kind: Its colour: plain, choice (yellow) or bad (red).
    """
    st.html(render("remark", name=name, words=words, kind=kind))


def viewers_clock(connection: Connection) -> LocalClock:
    """Return the clock of the viewer's zone, at the cloud's time now."""
    return LocalClock.of(st.context.timezone, connection.client.now())


def any_or(words: Mapping[Any, str]) -> Callable[[Any], str]:
    """Return a function that writes the choices of a filter; the choice None is "any"."""
    return lambda choice: "any" if choice is None else words[choice].lower()
