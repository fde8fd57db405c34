"""The command line `python -m chaos`: faults strike while events are delivered."""

import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chaos import director, gathering, plan, tally
from chaos.doors import Doors
from chaos.world import World, WorldError, running
from cloud.client import ClientError

console = Console(stderr=True)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def _play(world: World, planned: plan.Plan, timeout_s: float) -> tuple[tally.Tally, list[str]]:
    """Run the plan, wait until all of its messages are delivered, and count."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[word]}"),
    )
    with Progress(*columns, console=console) as bar, Doors(world) as doors:
        events = bar.add_task("events delivered", total=planned.events, word="")
        strikes = bar.add_task("faults", total=len(planned.strikes), word="")

        def show(far: director.Progress) -> None:
            bar.update(events, completed=far.delivered, word=f"{far.kills} kills")
            bar.update(strikes, completed=far.struck, word=far.word)

        directed = director.Director(world, planned, show)
        ended = directed.play(timeout_s)
        for name, part in world.parts.items():
            if name.startswith(("edge", plan.CAMERA)):
                part.stop()
        attempts = doors.finish()
        tokens = doors.tokens()
    counted = tally.count(gathering.gather(world, directed, tokens, attempts))
    wrong = [*counted.faults, *directed.crashes]
    if not ended:
        waited = ", ".join(directed.under_way())
        wrong.append(f"still waiting after {timeout_s:.0f} s, or too many crashes: {waited}")
    struck = Table("fault", "times", title="What struck")
    for name, number in sorted(directed.summary().items()):
        struck.add_row(name, str(number))
    console.print(struck)
    return counted, wrong


def _as_table(counted: tally.Tally) -> Table:
    table = Table("what", "counted", title="What is left")
    rows: dict[str, object] = {
        "events acknowledged / stored": f"{counted.acknowledged} / {counted.stored}",
        "… of them by a real edge": counted.by_edge,
        "events admitted / passes": f"{counted.admitted_events} / {counted.passes}",
        "passes redeemed once / twice": f"{counted.redeemed_once} / {counted.redeemed_twice}",
        "messages lost": f"{counted.messages_lost} of {counted.messages_expected}",
        "messages doubled": counted.messages_doubled,
        "… outside the documented window": counted.doubled_outside_window,
        "a dead worker's message, taken up after": f"{counted.taken_up_again_s} s",
        "slowest pass, outages included": f"{counted.slowest_pass_s} s",
        "visitors answered / had to ask again": (
            f"{counted.visitors} / {counted.visitors_asked_again}"
        ),
        "processes killed": counted.kills,
    }
    for what, number in rows.items():
        table.add_row(what, str(number))
    return table


@app.command()
def main(
    *,
    rounds: Annotated[int, typer.Option(help="How often all faults strike", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="The same seed makes the same plan")] = 1,
    events: Annotated[int, typer.Option(help="Events of all devices in a round", min=20)] = 1000,
    devices: Annotated[int, typer.Option(help="Devices, each at its own gate", min=1, max=9)] = 5,
    workers: Annotated[int, typer.Option(help="Worker processes", min=1)] = 2,
    kills: Annotated[
        int, typer.Option(help="How often each of the six parts is killed in a round", min=0)
    ] = 2,
    pause: Annotated[float, typer.Option(help="Seconds that Redis is paused", min=0.1)] = 10.0,
    wait: Annotated[
        float, typer.Option(help="Mean seconds between two events of a device", min=0.01)
    ] = 0.7,
    camera: Annotated[
        bool, typer.Option(help="Add a real edge that plays the demo's clip, and kill it too")
    ] = True,
    timeout: Annotated[
        float, typer.Option(help="Seconds after which undelivered messages count as lost", min=10)
    ] = 1800.0,
    state: Annotated[
        Path | None,
        typer.Option(help="A new folder for data and logs; by default a temporary one"),
    ] = None,
) -> None:
    """Kill and pause Maskgate's processes while devices deliver events, and count the results.

    API, workers, bot, Redis, devices and an edge that plays the demo's clip are real processes.
    They are killed with kill -9, in an order that the seed draws. Redis is paused. The Bot API
    answers 429 and 500, hangs, and closes in mid-answer; the mail server is down, and hangs; one
    device's clock is an hour off; some events are sent 20 times at once; three scanners redeem
    each code at the same time.

    At the end one line of JSON goes to standard output, with counts of the stores and the doubles.
    The exit code is 0 only if every acknowledged event is stored, every granted event has one
    pass, no pass was redeemed twice, no message is lost, and no message came twice outside of the
    window that docs/operate.md names.

    A first look, in about a minute: `python -m chaos --events 60 --kills 1 --pause 3 --wait 0.3`
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    scale = plan.Scale(rounds, events, devices, workers, kills, pause, wait, camera)
    planned = plan.make(seed, scale)
    folder = state.absolute() if state is not None else Path(tempfile.mkdtemp(prefix="chaos-"))
    began = time.monotonic()
    try:
        with running(folder, planned, scale) as world:
            counted, wrong = _play(world, planned, timeout)
    except (WorldError, ClientError, FileExistsError) as error:
        console.print(f"[red]No run:[/red] {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        console.print(f"Broken off. Logs are kept in {folder}")
        sys.exit(130)
    seconds = round(time.monotonic() - began, 1)
    console.print(_as_table(counted))
    typer.echo(tally.as_line(counted, seed=seed, rounds=rounds, seconds=seconds))
    if wrong:
        for each in wrong:
            console.print(f"[red]✗[/red] {each}", highlight=False, soft_wrap=True)
        console.print(f"Data and logs are kept in {folder}")
        sys.exit(1)
    console.print("[green]✓[/green] nothing lost, nothing admitted twice", highlight=False)
    if state is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    app()
