"""The processes that serve: API, worker and bot."""

from contextlib import suppress
from typing import Annotated

import typer

from cloud import logs
from cloud.commands import console
from cloud.errors import CloudError


def api(
    host: Annotated[str | None, typer.Option(help="Instead of CLOUD_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of CLOUD_PORT.")] = None,
) -> None:
    """Serve the HTTP API. It starts without Redis, and answers 503 until Redis is there."""
    from cloud.api.app import create_app  # noqa: PLC0415
    from cloud.api.serving.server import Server  # noqa: PLC0415

    settings = console.settings()
    logs.start(settings)
    server = Server(
        create_app(settings),
        host=host if host is not None else settings.host,
        port=port if port is not None else settings.port,
        at_end=console.traces("api"),
    )
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise typer.Exit(3)


def worker(
    burst: Annotated[bool, typer.Option(help="Stop when no job waits.")] = False,
) -> None:
    """Draw QR codes and send messages. On SIGTERM, finish the present job and stop."""
    from cloud.worker import process  # noqa: PLC0415

    settings = console.settings()
    logs.start(settings)
    end_traces = console.traces("worker")
    try:
        process.work(settings, burst=burst)
    except CloudError as error:
        console.refuse(str(error))
    finally:
        end_traces()


def bot() -> None:
    """Answer chats in Telegram: /start tells a chat its id, by which it can be subscribed."""
    from cloud import bot as cloud_bot  # noqa: PLC0415
    from cloud import meters  # noqa: PLC0415

    settings = console.settings()
    logs.start(settings)
    try:
        end_metrics = meters.serve(settings)
        try:
            cloud_bot.run(settings)
        finally:
            end_metrics()
    except CloudError as error:
        console.refuse(str(error))
