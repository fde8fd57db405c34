import inspect

from edge import errors
from edge.errors import CloudUnreachableError, EdgeError, EventRejectedError


def test_every_error_stands_in_the_drawn_tree() -> None:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass)]
    assert all(issubclass(c, EdgeError) for c in classes)
    drawing = errors.__doc__ or ""
    assert [c.__name__ for c in classes if c.__name__ not in drawing] == []


def test_an_error_says_what_is_wrong_and_then_how_to_mend_it() -> None:
    assert str(EdgeError("a.xml is missing", "Export it")) == "a.xml is missing. Export it"
    assert str(EdgeError("a.xml is missing")) == "a.xml is missing"


def test_what_a_caller_acts_on_is_in_the_error() -> None:
    assert CloudUnreachableError("busy", retry_after_s=7).retry_after_s == 7
    assert EventRejectedError("no", code="event_conflict").code == "event_conflict"
