"""The rehearsal of a visit."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from cloud.commands import console
from cloud.commands.console import AsJson


def rehearse(
    api_url: Annotated[
        str, typer.Option(help="The address at which devices and scanners reach the API.")
    ],
    timeout_s: Annotated[
        float, typer.Option(min=1, max=600, help="Seconds to wait for the API, and for a worker.")
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Simulate one visit, and erase it: this shows whether all parts of the cloud work.

    A gate is made for it. A camera is enrolled, one person is refused and one granted, a worker
    draws the code, and the pass is used once. Nobody gets a message, and the figures of other gates
    do not change.
    """
    from cloud import rehearsal  # noqa: PLC0415

    def told(step: str, seconds: float) -> None:
        if not as_json:
            console.output.print(f"[green]ok[/]  {step} ({seconds:.2f} s)", highlight=False)

    with console.store() as store:
        done = rehearsal.rehearse(store, api_url.rstrip("/"), timeout_s, told)
    if as_json:
        print(json.dumps(asdict(done)))
