"""python -m demo: Maskgate from camera to redeemed pass, all on this machine."""

import json
import shutil
import signal
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from cloud.client import Client, ClientError
from demo.stage import GATE, ROOT, Stage, StageError
from demo.story import StoryError, play_out
from edge.addresses import redacted

CLIP = ROOT / "demo" / "clip.mp4"
PLAY_TIMEOUT_S = 120.0
LOOK_S = 0.5
"""How often it is looked whether all parts run."""

console = Console(stderr=True)


def _what_will_happen(stage: Stage, source: str, *, once: bool) -> Panel:
    happens = (
        "The camera sees a person without a mask, who is refused, and one with a mask, who gets a"
        " pass; the pass is read from its QR code and used twice: the first time admits, the second"
        " does not. Then everything ends, with one line of JSON."
        if once
        else "Whoever the camera sees without a mask is refused; with one, a pass appears on the"
        " gate's screen. Ctrl-C ends everything."
    )
    return Panel(
        f"[bold]The gate's screen[/bold]   {stage.dashboard_url}/?gate={GATE}&screen=door\n"
        f"[bold]The dashboard[/bold]       {stage.dashboard_url}/?gate={GATE}\n"
        f"[bold]The API[/bold]             {stage.api_url}/docs\n"
        f"[bold]The camera[/bold]          {redacted(source)}\n"
        f"[bold]Kept under[/bold]          {stage.state}, an admin key for the API in keys.json\n\n"
        f"Redis, the API, a worker, the dashboard and the camera start now. {happens}",
        title="The demo of Maskgate",
        border_style="green",
    )


def _once(stage: Stage, source: str) -> None:
    """Play the source once, follow the pass to the turnstile, print one line of JSON."""
    with stage.running("redis", "api", "worker") as cloud:
        stage.wait_for(f"{stage.api_url}/readyz", cloud, "the cloud")
        stage.prepare()
        with stage.running("dashboard") as dashboard:
            stage.wait_for(f"{stage.dashboard_url}/_stcore/health", dashboard, "the dashboard")
            with stage.running("edge", EDGE_SOURCE=source, DEMO_EDGE_OPTIONS="") as edge:
                stage.wait_for_the_end_of(edge, PLAY_TIMEOUT_S)
            with (
                Client(stage.api_url, stage.keys["dashboard"]) as api,
                Client(stage.api_url, stage.keys["scanner"]) as scanner,
            ):
                story = play_out(api, scanner)
    typer.echo(json.dumps(asdict(story)))


def _until_interrupted(stage: Stage, source: str) -> None:
    options = "--loop" if Path(source).is_file() else ""
    with stage.running("redis", "api", "worker") as cloud:
        stage.wait_for(f"{stage.api_url}/readyz", cloud, "the cloud")
        stage.prepare()
        with stage.running(
            "dashboard", "edge", EDGE_SOURCE=source, DEMO_EDGE_OPTIONS=options
        ) as door:
            stage.wait_for(f"{stage.dashboard_url}/_stcore/health", door, "the dashboard")
            console.print(
                f"[green]Maskgate is running:[/green] {stage.dashboard_url}/?gate={GATE}",
                soft_wrap=True,
            )
            while True:
                stage.check()
                time.sleep(LOOK_S)


def main(
    source: Annotated[
        str,
        typer.Option(
            help="Camera: an index such as 0, a /dev path, an RTSP or HTTP address, "
            "a video, a folder of pictures"
        ),
    ] = str(CLIP),
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            help="Play once, redeem the pass from its picture, print one line of JSON and end",
        ),
    ] = False,
    state: Annotated[Path, typer.Option(help="Where the demo keeps its data")] = ROOT
    / "var"
    / "demo",
) -> None:
    """Start Redis, API, worker, dashboard and edge here, and walk a clip up to the gate.

    With no CLOUD_TELEGRAM_TOKEN set, what would have been sent is kept, and the dashboard shows
    it as undelivered by choice. Set CLOUD_TELEGRAM_TOKEN and DEMO_TELEGRAM_CHAT to get the
    messages for real.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if once:
        state = state.with_name(f"{state.name}-once")
    stage = Stage(state.absolute(), console=console)
    try:
        with stage.alone():
            console.print(_what_will_happen(stage, source, once=once))
            if once:
                # A story of its own: what earlier runs left behind would be counted in.
                shutil.rmtree(state, ignore_errors=True)
                _once(stage, source)
            else:
                _until_interrupted(stage, source)
    except (StageError, StoryError, ClientError) as error:
        console.print("[red]The demo failed:[/red]", Text(str(error)), soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print(f"Ended. What was seen and decided is kept under {state}", soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
