"""`python -m demo`: Maskgate from the camera to the redeemed pass, all on this machine."""

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
from demo.deployment import GATE, ROOT, Deployment, DeploymentError
from demo.scenario import ScenarioError, run_scenario
from edge.redaction.addresses import redacted

CLIP = ROOT / "demo" / "clip.mp4"
PLAY_TIMEOUT_S = 120.0
CHECK_EVERY_S = 0.5
"""Seconds between two checks that all processes run."""

console = Console(stderr=True)


def _introduction(deployment: Deployment, source: str, *, once: bool) -> Panel:
    text = (
        "The camera sees a person without a mask, who is refused, and a person with a mask, who"
        " gets a pass. The demo reads the pass from its QR code and uses it twice: the first use"
        " admits, the second does not. Then everything ends, with one line of JSON."
        if once
        else "A person without a mask is refused. For a person with a mask, a pass appears on the"
        " gate's screen. Ctrl-C ends everything."
    )
    return Panel(
        f"[bold]The door's screen[/bold]   {deployment.dashboard_url}/door/{GATE}\n"
        f"[bold]The dashboard[/bold]       {deployment.dashboard_url}/?gate={GATE}\n"
        f"[bold]The API[/bold]             {deployment.api_url}/docs\n"
        f"[bold]The camera[/bold]          {redacted(source)}\n"
        f"[bold]Kept under[/bold]          {deployment.state}, "
        "an admin key for the API in keys.json\n\n"
        f"Redis, the API, a worker, the dashboard and the camera start now. {text}",
        title="The demo of Maskgate",
        border_style="green",
    )


def _once(deployment: Deployment, source: str) -> None:
    """Play the source once, redeem the pass, and print one line of JSON."""
    with deployment.running("redis", "api", "worker") as cloud:
        deployment.wait_for(f"{deployment.api_url}/readyz", cloud, "the cloud")
        deployment.prepare()
        with deployment.running("dashboard") as dashboard:
            deployment.wait_for(
                f"{deployment.dashboard_url}/_stcore/health", dashboard, "the dashboard"
            )
            with deployment.running("edge", EDGE_SOURCE=source, DEMO_EDGE_OPTIONS="") as edge:
                deployment.wait_for_end(edge, PLAY_TIMEOUT_S)
            with (
                Client(deployment.api_url, deployment.keys["dashboard"]) as api,
                Client(deployment.api_url, deployment.keys["scanner"]) as scanner,
            ):
                result = run_scenario(api, scanner)
    typer.echo(json.dumps(asdict(result)))


def _until_interrupted(deployment: Deployment, source: str) -> None:
    options = "--loop" if Path(source).is_file() else ""
    with deployment.running("redis", "api", "worker") as cloud:
        deployment.wait_for(f"{deployment.api_url}/readyz", cloud, "the cloud")
        deployment.prepare()
        with deployment.running(
            "dashboard", "edge", EDGE_SOURCE=source, DEMO_EDGE_OPTIONS=options
        ) as door:
            deployment.wait_for(f"{deployment.dashboard_url}/_stcore/health", door, "the dashboard")
            with Client(deployment.api_url, deployment.keys["dashboard"]) as api:
                link = api.create_screen_link(GATE)
            console.print(
                f"[green]Maskgate is running:[/green] {deployment.dashboard_url}/?gate={GATE}\n"
                f"[green]The door's screen:[/green] {deployment.dashboard_url}/door/{GATE}"
                f"#{link.code}\n"
                "The second link pairs one browser with the door, within an hour. Another screen "
                "shows a code; pair it with: "
                f"CLOUD_REDIS_URL=redis://127.0.0.1:{deployment.redis_port}/0 "
                f"python -m cloud screens pair {GATE} CODE",
                soft_wrap=True,
            )
            while True:
                deployment.check()
                time.sleep(CHECK_EVERY_S)


def _play(deployment: Deployment, source: str, *, once: bool) -> None:
    """Play the source once or until Ctrl-C; exit with status 1 where the demo fails."""
    try:
        with deployment.alone():
            console.print(_introduction(deployment, source, once=once))
            if once:
                # The scenario counts all events, so those of earlier runs have to go.
                shutil.rmtree(deployment.state, ignore_errors=True)
                _once(deployment, source)
            else:
                _until_interrupted(deployment, source)
    except (DeploymentError, ScenarioError, ClientError) as error:
        console.print("[red]The demo failed:[/red]", Text(str(error)), soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print(f"Ended. The demo's data is kept under {deployment.state}", soft_wrap=True)


def main(
    source: Annotated[
        str,
        typer.Option(
            help="The camera: an index such as 0, a /dev path, an RTSP or HTTP address, "
            "a video, or a folder of pictures"
        ),
    ] = str(CLIP),
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            help="Play the source once, redeem the pass from its QR code, print one line of JSON, "
            "and end",
        ),
    ] = False,
    state: Annotated[Path, typer.Option(help="The folder in which the demo keeps its data")] = ROOT
    / "var"
    / "demo",
) -> None:
    """Start Redis, API, worker, dashboard and edge here, and play a clip as the camera.

    Without CLOUD_TELEGRAM_TOKEN no message is sent, and the dashboard shows each as not sent, by
    choice. Set CLOUD_TELEGRAM_TOKEN and DEMO_TELEGRAM_CHAT to get the messages in Telegram.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if once:
        state = state.with_name(f"{state.name}-once")
    _play(Deployment(state.absolute(), console=console), source, once=once)


if __name__ == "__main__":
    typer.run(main)
