"""Traces (OpenTelemetry): from the API's request through the job to the sending of the message.

Tracing is on where OTEL_EXPORTER_OTLP_ENDPOINT is set, and needs the extra `otel`. OpenTelemetry's
SDK reads its other variables (OTEL_SERVICE_NAME, headers, sampling). Where tracing is off, the SDK
is not imported. No span holds a token, a key or a person's address.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import propagate, trace

from cloud.errors import CannotStart

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
CARRIED: Final = "traceparent"
"""The one field of W3C Trace Context (section 3.2) that is kept with an event."""


def is_on() -> bool:
    """Return whether an endpoint is set."""
    return any(os.environ.get(name) for name in ENDPOINTS)


def start(process: str) -> Callable[[], None]:
    """Start to send spans, if an endpoint is set; return a function that sends the last ones."""
    if not is_on():
        return lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise CannotStart(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry's SDK is not installed: install "
            "the extra `otel`, or unset the variable"
        ) from error
    name = os.environ.get("OTEL_SERVICE_NAME") or f"maskgate-{process}"
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def carrier() -> str:
    """Return the current span's `traceparent`; empty where there is no span."""
    if not trace.get_current_span().get_span_context().is_valid:
        return ""
    held: dict[str, str] = {}
    propagate.inject(held)
    return held.get(CARRIED, "")


@contextmanager
def span(name: str, *, parent: str = "", **attributes: str) -> Iterator[None]:
    """Trace the body of a `with`, below `parent` (of `carrier`) or the current span."""
    context = propagate.extract({CARRIED: parent}) if parent else None
    with trace.get_tracer("cloud").start_as_current_span(
        name, context=context, attributes=attributes
    ):
        yield
