"""python -m edge run | detect | enrol | doctor | bench."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from cloud.contract import Label
from edge import logs, secrets, settings
from edge.addresses import masked_in
from edge.command_line import CommandLine, begin_anew, hide_source, mask_tracebacks
from edge.errors import EdgeError
from edge.settings import Pace

if TYPE_CHECKING:
    from edge import detection
    from edge.camera import Camera

# OpenCV and OpenVINO are imported by the commands that need them: what they write is in the form of
# the log only once that is set up.

UNDELIVERED = 3
"""Exit code of a run whose source ended while events still wait in the outbox."""

app = typer.Typer(
    cls=CommandLine,
    help="The camera at the door: judges who stands before it, and tells the cloud.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
_out = Console()
_err = Console(stderr=True)
_log = structlog.get_logger("edge")


@contextmanager
def _errors_for_people(command: str) -> Iterator[None]:
    """What the edge raises on purpose is a sentence and exit code 1, never a trace.

    With EDGE_LOG_JSON it is a line of the log, except for who types a command at a terminal.
    """
    as_json = settings.log_as_json() and (command == "run" or not _err.is_terminal)
    if as_json and not logs.is_taken_over():
        logs.as_json()
    try:
        yield
    except EdgeError as error:
        problem = secrets.KNOWN.blanked(masked_in(error.problem))
        if as_json:
            _log.error(
                "command_refused",
                command=command,
                error=type(error).__name__,
                problem=problem,
                mend=error.mend,
            )
            raise typer.Exit(1) from error
        _err.print(f"[bold red]{type(error).__name__}[/]: ", end="")
        _err.print(problem, markup=False, highlight=False, soft_wrap=True)
        if error.mend:
            mend = secrets.KNOWN.blanked(error.mend)
            _err.print(f"  {mend}", markup=False, highlight=False, soft_wrap=True, style="yellow")
        raise typer.Exit(1) from error


def _settings(**overrides: Any) -> settings.Settings:
    """Read the settings, and know from then on what must not be shown of them."""
    chosen = settings.load(**overrides)
    secrets.KNOWN.add(chosen.secrets)
    return chosen


@app.command()
def run(
    source: Annotated[
        str | None,
        typer.Option(
            help="Camera index or /dev path, RTSP or HTTP URL, video file, folder of images"
            " (EDGE_SOURCE)"
        ),
    ] = None,
    loop: Annotated[
        bool | None, typer.Option("--loop", help="Play a file or folder again and again")
    ] = None,
    every_frame: Annotated[
        bool,
        typer.Option(
            "--as-fast-as-possible",
            help="Judge every frame of a file, instead of playing it as if it were live",
        ),
    ] = False,
    metrics_port: Annotated[
        int | None, typer.Option(help="Serve Prometheus metrics (EDGE_METRICS_PORT)")
    ] = None,
) -> None:
    """Watch the door: judge people, and deliver events to the cloud.

    A camera is watched until Ctrl-C. A file or folder is played once; then the outbox is emptied,
    and the exit code is 3 if events still wait after EDGE_DRAIN_TIMEOUT_S.
    """
    with _errors_for_people("run"):
        chosen = _settings(
            source=source,
            loop=loop,
            pace=Pace.EVERY_FRAME if every_frame else None,
            metrics_port=metrics_port,
        )
        if chosen.log_json:
            logs.remember_crashes(chosen.state_dir / "crash.txt")
        else:
            logs.for_people()

        from edge import enrolment, installation  # noqa: PLC0415

        def stop_on_signals(camera: "Camera") -> None:
            def stop(number: int, _frame: object) -> None:
                camera.stop()
                signal.signal(
                    number, before[signal.Signals(number)]
                )  # the second time ends it at once

            before = {n: signal.signal(n, stop) for n in (signal.SIGINT, signal.SIGTERM)}

        # The first process of a container ignores what it does not handle, and enrolment may wait.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        enrolment.ensure(chosen)
        with logs.of_libraries():
            outcome = installation.run(chosen, _out, on_camera=stop_on_signals)
    if chosen.log_json:
        _log.info("run_ended", **asdict(outcome))
    else:
        _out.print(
            f"{outcome.verdicts} verdicts, {outcome.undelivered} events undelivered,"
            f" {outcome.rejected} rejected",
            highlight=False,
        )
    if outcome.undelivered and not outcome.stopped:
        if not chosen.log_json:
            _err.print("They are safe in the outbox; the next run delivers them.", style="yellow")
        raise typer.Exit(UNDELIVERED)


@app.command()
def detect(
    paths: Annotated[list[Path], typer.Argument(help="Pictures, or folders of pictures")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line, instead of a table")
    ] = False,
    annotate: Annotated[
        Path | None, typer.Option(help="Write pictures with coloured boxes into this folder")
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Least score of a face: by default a low one with --json, else the model's own"
            " threshold",
        ),
    ] = None,
) -> None:
    """Judge pictures: faces, and whether each wears a mask.

    Boxes are x0 y0 x1 y1 in pixels of the upright picture (an EXIF orientation is applied). A file
    that cannot be read gets a line with `error`, the others go on, and the exit code is 1.
    """
    with _errors_for_people("detect"):
        from edge import detection, installation  # noqa: PLC0415

        models = installation.load_models(_settings())
        threshold = models.detector.threshold
        if min_score is None:
            min_score = detection.LEAST_SCORE if as_json else threshold
        album = detection.Album(annotate) if annotate is not None else None
        table = Table(
            Column("file", overflow="fold"), "faces", "with mask", "without", "worn wrongly", ""
        )
        failed = False
        files = list(detection.pictures(paths))
        with _progress(len(files)) as progress:
            task = progress.add_task("judging", total=len(files))
            for found in files:
                if isinstance(found, detection.Report):
                    report, image = found, None
                else:
                    report, image = detection.judge_file(
                        found, models.detector, models.classifier, min_score=min_score
                    )
                    if album is not None and image is not None:
                        album.keep(detection.annotate(image, report, threshold), found)
                failed = failed or bool(report.error)
                if as_json:
                    print(report.as_json(), flush=True)
                else:
                    table.add_row(*_row(report))
                progress.advance(task)
    if not as_json:
        _out.print(table)
    if failed:
        raise typer.Exit(1)


def _row(report: "detection.Report") -> list[str]:
    if report.error:
        return [report.file, "", "", "", "", f"[red]{report.error}[/]"]
    counts = [sum(j.label is label for j in report.judgements) for label in Label]
    styles = ("green", "red", "yellow")
    cells = [f"[{style}]{n}[/]" if n else "0" for n, style in zip(counts, styles, strict=True)]
    return [report.file, str(len(report.judgements)), *cells, ""]


def _progress(count: int) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=_err,
        transient=True,
        disable=count < 5 or not _err.is_terminal,
    )


@app.command()
def enrol(
    code: Annotated[str, typer.Option(help="One-time code, made in the cloud for a gate")],
    cloud_url: Annotated[
        str | None, typer.Option(help="Where the cloud's API is (EDGE_CLOUD_URL)")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What people call this device (the host's name)")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Forget the enrolment that is there")
    ] = False,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Do nothing where this device is enrolled already")
    ] = False,
) -> None:
    """Exchange a one-time code for this device's own key, kept in EDGE_STATE_DIR/device.json."""
    with _errors_for_people("enrol"):
        from edge import enrolment  # noqa: PLC0415

        chosen = _settings(cloud_url=cloud_url)
        path = chosen.device_path
        if path.exists() and if_missing:
            _out.print(f"enrolled already: {path} exists", highlight=False, soft_wrap=True)
            return
        if path.exists() and not replace:
            raise EdgeError(
                f"this device is enrolled already: {path} exists",
                "Add --replace to enrol it anew; the old key should then be revoked in the cloud",
            )
        who = enrolment.enrol(chosen, code, name)
    _out.print(
        f"[green]enrolled[/] at gate [bold]{who.gate}[/] as device {who.device_id};"
        f" key kept in {path}",
        highlight=False,
        soft_wrap=True,
    )


@app.command(name="doctor")
def examine(
    source: Annotated[str | None, typer.Option(help="As in `run` (EDGE_SOURCE)")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines")] = False,
) -> None:
    """Say what is wrong with this set-up, and how to mend it. Exit code 1 on a fail."""
    with _errors_for_people("doctor"):
        chosen = _settings(source=source)
        if not chosen.log_json:
            logs.for_people()

        from edge import doctor  # noqa: PLC0415

        checks: list[doctor.Check] = []
        colours = {"ok": "green", "warn": "yellow", "fail": "bold red"}
        for check in doctor.examine(chosen):
            checks.append(check)
            if as_json:
                continue
            style = colours[check.finding]
            _out.print(f"[{style}]{check.finding:<5}[/]{check.name:<14}", end="")
            _out.print(check.detail, markup=False, highlight=False, soft_wrap=True)
            if check.mend:
                _out.print(
                    " " * 19 + check.mend,
                    markup=False,
                    highlight=False,
                    style="yellow",
                    soft_wrap=True,
                )
        fails = any(check.finding is doctor.Finding.FAIL for check in checks)
    if as_json:
        rows: list[dict[str, Any]] = [
            {"name": c.name, "finding": c.finding, "detail": c.detail, "mend": c.mend}
            for c in checks
        ]
        print(json.dumps({"ok": not fails, "checks": rows}, ensure_ascii=False, indent=1))
    if fails:
        raise typer.Exit(1)


@app.command(name="bench")
def measure(
    source: Annotated[
        Path | None,
        typer.Option(help="Video or folder of pictures to measure on (the demo's clip)"),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.2, help="How long each figure is measured")] = 4.0,
    out: Annotated[
        Path | None, typer.Option("--json", help="Write the rows into this file as well")
    ] = None,
) -> None:
    """Measure the edge on this machine: models alone against everything; capture with a thread."""
    with _errors_for_people("bench"):
        from edge import bench, installation  # noqa: PLC0415

        models = installation.load_models(_settings())
        clip = Path(__file__).parent.parent / "demo" / "clip.mp4"
        frames = bench.load_frames(source or (clip if clip.exists() else None))
        with _err.status("measuring …"):
            rows = bench.measure(models, frames, seconds)
        if out is not None:
            bench.write(rows, out)
    row_name = Column("row", overflow="fold", min_width=20)
    table = Table(row_name, "value", "unit", "against", "ratio", title="The edge on this machine")
    for name, row in rows.items():
        table.add_row(name, f"{row.value:,.1f}", row.unit, row.against, f"{row.ratio:.2f}")
    _out.print(table)
    _out.print(bench.conclusion(rows), highlight=False)


def main() -> None:
    """Run the command line.

    With EDGE_LOG_JSON, all that `run` writes is JSON: what a person at a terminal would be told of
    a wrong option, too.
    """
    arguments = sys.argv[1:]
    hide_source(arguments, os.environ, begin_anew)
    if arguments[:1] != ["run"] or "--help" in arguments or not settings.log_as_json():
        mask_tracebacks(secrets.KNOWN.blanked)
        try:
            app(prog_name="python -m edge")
        finally:
            # Typer has put what prints tracebacks back as it was.
            mask_tracebacks(secrets.KNOWN.blanked)
    logs.take_over()
    try:
        code = app(prog_name="python -m edge", standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - not swallowed: it is in the log, and in the status
        code = getattr(error, "exit_code", None)
        if code is None:
            _log.critical("uncaught_error", exc_info=error)
            code = 1
        else:  # of the command line: an option that there is not, or a value that it does not take
            said = getattr(error, "format_message", error.__str__)()
            _log.error("command_refused", command="run", error=type(error).__name__, problem=said)
    sys.exit(code)


if __name__ == "__main__":
    main()
