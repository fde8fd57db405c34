"""What stands beside the API proper: health, metrics, and the page behind a QR code."""

from inspect import cleandoc

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from cloud.api.access.dependencies import MetricsDep, StoreDep
from cloud.api.problems import documented
from cloud.api.store_metrics import StorePart
from cloud.contract import ProblemCode
from cloud.single_flight import SingleFlight

router = APIRouter(tags=["platform"])

PAGE_BEHIND_A_CODE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Your pass</title>
<style>
  body { margin: 0; min-height: 100vh; display: grid; place-content: center; gap: 1rem;
         padding: 1.5rem; text-align: center; font: 1.25rem/1.5 system-ui, sans-serif;
         background: #0b6e4f; color: #fff; }
  h1 { margin: 0; font-size: 1.75rem; }
  p { margin: 0; max-width: 28rem; }
</style>
<h1>Show this code at the door</h1>
<p>This code is a pass. Hold it in front of the reader at the door, on your phone or on paper.</p>
<p>It lets one person in, once, and only for a few minutes.</p>
</html>
"""


@router.get("/healthz", response_class=PlainTextResponse)
async def healthz() -> str:
    """Say that the process answers. Touches nothing else."""
    return "ok\n"


@router.get(
    "/readyz",
    response_class=PlainTextResponse,
    responses=documented(ProblemCode.STORE_UNAVAILABLE),
)
def readyz(store: StoreDep) -> str:
    """Say whether requests can be served, which takes Redis."""
    store.ping()
    return "ready\n"


@router.get("/metrics", response_class=PlainTextResponse)
def read_metrics(request: Request, metrics: MetricsDep) -> Response:
    """Give Prometheus what it scrapes; with the store away `maskgate_store_up` is 0."""
    asking: SingleFlight[StorePart] = request.app.state.store_part
    try:
        part = asking.result()
    except TimeoutError:
        part = StorePart(queue=None, text=b"")
    return Response(metrics.page(part.queue) + part.text, media_type=CONTENT_TYPE_LATEST)


@router.get(
    "/p/{token}",
    response_class=HTMLResponse,
    description=cleandoc(
        """
        Tell whoever opens a QR code's address with a phone what to do with it.

        Looks nothing up, so it tells nobody whether a token is good, and uses nothing up.
        """
    ),
)
async def show_pass_page(token: str) -> HTMLResponse:  # noqa: ARG001 (never looked at)
    """Tell whoever opens a QR code's address with a phone what to do with it."""
    return HTMLResponse(PAGE_BEHIND_A_CODE)
