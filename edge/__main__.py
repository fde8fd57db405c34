"""The command line: python -m edge run | status | door | detect | enrol | alive | doctor | bench.

Each command imports OpenCV and OpenVINO itself, after the log is set up: then the lines that both
libraries write on import have the form of the log.
"""

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import structlog
import typer

from edge import console, logs, settings
from edge.door import command as door_command
from edge.ending import StopDeadline, end_process
from edge.errors import EdgeError
from edge.lossy_output import give_up_output
from edge.redaction import secrets
from edge.redaction.command_line import CommandLine, hide_source, redact_tracebacks, restart_process
from edge.settings import Pace

if TYPE_CHECKING:
    from edge import doctor
    from edge.cameras import Cameras

UNDELIVERED = 3
"""Exit code of a run whose source has ended while events still wait in the outbox."""

app = typer.Typer(
    cls=CommandLine,
    help="The camera at the door: it judges the people in front of it, and tells the cloud.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
_log = structlog.get_logger("edge")


def _settings(**overrides: Any) -> settings.Settings:
    """Read the settings, and note their secrets: these are redacted in all output from then on."""
    chosen = settings.load(**overrides)
    secrets.KNOWN.add(chosen.secrets)
    return chosen


@app.command()
def run(
    source: Annotated[
        str | None,
        typer.Option(
            help="Camera index or /dev path, RTSP or HTTP URL, video file, or folder of images"
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
            help="Judge every frame of a file as fast as possible, instead of playing the file as"
            " if it were live",
        ),
    ] = False,
    metrics_port: Annotated[
        int | None, typer.Option(help="Serve Prometheus metrics on this port (EDGE_METRICS_PORT)")
    ] = None,
) -> None:
    """Watch the door: judge people, and deliver events to the cloud.

    A camera is watched until Ctrl-C. A file or folder is played once. Then the outbox is emptied,
    and the exit code is 3 if events still wait after EDGE_DRAIN_TIMEOUT_S.
    """
    with console.reported_errors("run"), StopDeadline() as deadline:
        chosen = _settings(
            source=source,
            loop=loop,
            pace=Pace.EVERY_FRAME if every_frame else None,
            metrics_port=metrics_port,
        )
        if chosen.log_json:
            logs.record_crashes(chosen.state_dir / "crash.txt")
        else:
            logs.use_console()

        from edge import enrolment, installation  # noqa: PLC0415

        # The first process of a container ignores every signal without a handler, and enrolment may
        # wait for long.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        enrolment.ensure(chosen)
        with logs.library_messages():
            outcome = installation.run(
                chosen, console.DISPLAY, on_camera=_stop_on_signals, stages=deadline.stages
            )
    if chosen.log_json:
        _log.info("run_ended", **asdict(outcome))
    else:
        console.DISPLAY.print(
            f"{outcome.verdicts} verdicts, {outcome.undelivered} events undelivered,"
            f" {outcome.rejected} rejected",
            highlight=False,
        )
    give_up_output()
    if outcome.hangs:
        # The interpreter would wait for the call that does not return.
        end_process(0)
    if outcome.undelivered and not outcome.stopped:
        if not chosen.log_json:
            note = "The undelivered events are safe in the outbox; the next run delivers them."
            console.ERR.print(note, style="yellow")
        sys.exit(UNDELIVERED)


def _stop_on_signals(cameras: "Cameras") -> None:
    """Stop the cameras at the first SIGINT or SIGTERM; a second signal ends the process at once."""

    def stop(number: int, _frame: object) -> None:
        cameras.stop()
        signal.signal(number, before[signal.Signals(number)])

    before = {n: signal.signal(n, stop) for n in (signal.SIGINT, signal.SIGTERM)}


@app.command()
def detect(
    paths: Annotated[list[Path], typer.Argument(help="Pictures, or folders of pictures")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per line instead of a table")
    ] = False,
    annotate: Annotated[
        Path | None, typer.Option(help="Write pictures with coloured boxes into this folder")
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Least score of a face. Default: the model's own threshold; with --json, a lower"
            " score",
        ),
    ] = None,
) -> None:
    """Judge pictures: find the faces, and say whether each wears a mask.

    A box is x0 y0 x1 y1 in pixels of the upright picture (an EXIF orientation is applied). A file
    that cannot be read gets a line with `error` and makes the exit code 1; the others are judged.
    """
    with console.reported_errors("detect"):
        from edge import detection, loaded_models  # noqa: PLC0415

        models = loaded_models.load(_settings())
        threshold = models.detector.threshold
        if min_score is None:
            min_score = detection.MIN_SCORE if as_json else threshold
        annotated = detection.AnnotatedPictures(annotate) if annotate is not None else None
        table = console.picture_table()
        failed = False
        files = list(detection.pictures(paths))
        with console.progress(len(files)) as progress:
            task = progress.add_task("judging", total=len(files))
            for found in files:
                if isinstance(found, detection.PictureReport):
                    report = found
                else:
                    report, image = detection.judge_file(
                        found, models.detector, models.classifier, min_score=min_score
                    )
                    if annotated is not None and image is not None:
                        annotated.save(detection.annotate(image, report, threshold), found)
                failed = failed or bool(report.error)
                if as_json:
                    print(report.as_json(), flush=True)
                else:
                    table.add_row(*console.picture_row(report))
                progress.advance(task)
    if not as_json:
        console.OUT.print(table)
    if failed:
        sys.exit(1)


@app.command()
def enrol(
    code: Annotated[
        str, typer.Option(help="One-time code that the cloud made for the gate of this device")
    ],
    cloud_url: Annotated[
        str | None, typer.Option(help="Address of the cloud's API (EDGE_CLOUD_URL)")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of this device for people. Default: the host's name")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the enrolment that this device has")
    ] = False,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Do nothing if this device is already enrolled")
    ] = False,
) -> None:
    """Exchange a one-time code for this device's own key, kept in EDGE_STATE_DIR/device.json."""
    with console.reported_errors("enrol"):
        from edge import enrolment  # noqa: PLC0415

        chosen = _settings(cloud_url=cloud_url)
        path = chosen.device_path
        if path.exists() and if_missing:
            message = f"this device is already enrolled: {path} exists"
            console.OUT.print(message, highlight=False, soft_wrap=True)
            return
        if path.exists() and not replace:
            raise EdgeError(
                f"this device is already enrolled: {path} exists",
                "Add --replace to enrol it again, and then revoke the old device in the cloud",
            )
        who = enrolment.enrol(chosen, code, name)
    console.OUT.print(
        f"[green]enrolled[/] at gate [bold]{who.gate}[/] as device {who.device_id};"
        f" the key is kept in {path}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def alive(
    max_age: Annotated[
        float, typer.Option(min=1.0, help="Seconds that the last sign of life may be old")
    ] = 30.0,
) -> None:
    """Check that a running edge is alive, by EDGE_HEARTBEAT_FILE. Exit code 1 if it is not."""
    with console.reported_errors("alive"):
        from edge import liveness  # noqa: PLC0415

        file = _settings().heartbeat_file
        if file is None:
            raise EdgeError("EDGE_HEARTBEAT_FILE is not set", "Set it for `run` and for `alive`")
        age_s = liveness.age_s(file)
        if age_s > max_age:
            raise EdgeError(f"the last sign of life is {age_s:.0f} s old")
    console.OUT.print(f"alive {age_s:.0f} s ago", highlight=False)


@app.command(name="status")
def show_status(
    once: Annotated[
        bool, typer.Option("--once", help="Print the state once, instead of every second")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, for machines")
    ] = False,
) -> None:
    """Show the state of the edge that runs on this machine. Exit code 1 if none runs.

    It reads the metrics at EDGE_METRICS_PORT, EDGE_HEARTBEAT_FILE and the outbox: use the settings
    of `run`. Without a terminal the state is printed once.
    """
    with console.reported_errors("status"):
        from edge import status  # noqa: PLC0415

        chosen = _settings()
        found = status.read(chosen)
        if as_json:
            print(json.dumps(asdict(found)))
        elif once or not console.OUT.is_terminal:
            console.OUT.print(console.status_table(found))
        else:
            console.show_live(lambda: console.status_table(status.read(chosen)))


@app.command(name="doctor")
def diagnose(
    source: Annotated[
        str | None, typer.Option(help="The source to try, as for `run` (EDGE_SOURCE)")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, for machines")
    ] = False,
) -> None:
    """Check this installation, and say how to mend each problem. Exit code 1 if a check fails."""
    with console.reported_errors("doctor"):
        chosen = _settings(source=source)
        if not chosen.log_json:
            logs.use_console()

        from edge import doctor  # noqa: PLC0415

        checks: list[doctor.CheckResult] = []
        for check in doctor.run_checks(chosen):
            checks.append(check)
            if not as_json:
                console.print_check(check)
        failed = any(check.status is doctor.CheckStatus.FAIL for check in checks)
    if as_json:
        rows = [_check_as_json(check) for check in checks]
        print(json.dumps({"ok": not failed, "checks": rows}, ensure_ascii=False, indent=1))
    if failed:
        sys.exit(1)


def _check_as_json(check: "doctor.CheckResult") -> dict[str, str]:
    return {
        "name": check.name,
        "finding": check.status,
        "detail": check.detail,
        "mend": check.mend,
    }


@app.command(name="bench")
def measure(
    source: Annotated[
        Path | None,
        typer.Option(help="Video or folder of pictures to measure with. Default: the demo's clip"),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.2, help="How long each figure is measured")] = 4.0,
    out: Annotated[
        Path | None, typer.Option("--json", help="Write the figures into this file as well")
    ] = None,
) -> None:
    """Measure the frames per second on this machine.

    The models alone are compared with the whole pipeline, and one loop with a thread for capture.
    """
    with console.reported_errors("bench"):
        from edge import bench, loaded_models  # noqa: PLC0415

        models = loaded_models.load(_settings(), mirror=False)
        clip = Path(__file__).parent.parent / "demo" / "clip.mp4"
        frames = bench.load_frames(source or (clip if clip.exists() else None))
        with console.ERR.status("measuring …"):
            rows = bench.measure(models, frames, seconds)
        if out is not None:
            bench.write(rows, out)
    console.print_figures(rows, bench.conclusion(rows), bench.warning(rows))


app.command("door")(door_command.door)
app.command("door-hub")(door_command.door_hub)


def main() -> None:
    """Run the command line.

    With EDGE_LOG_JSON everything that a service writes is JSON, even the message about a wrong
    option.
    """
    arguments = sys.argv[1:]
    hide_source(arguments, os.environ, restart_process)
    is_service = bool(console.SERVICES.intersection(arguments[:1]))
    if not is_service or "--help" in arguments or not settings.log_as_json():
        redact_tracebacks(secrets.KNOWN.redacted)
        try:
            app(prog_name="python -m edge")
        finally:
            # Typer restores the usual excepthook, which would print tracebacks with secrets.
            redact_tracebacks(secrets.KNOWN.redacted)
    logs.capture_output()
    try:
        code = app(prog_name="python -m edge", standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - not swallowed: it is in the log and the exit status
        code = getattr(error, "exit_code", None)
        if code is None:
            _log.critical("uncaught_error", exc_info=error)
            code = 1
        else:  # a usage error: an unknown option, or a value that an option does not accept
            problem = getattr(error, "format_message", error.__str__)()
            _log.error(
                "command_refused", command=arguments[0], error=type(error).__name__, problem=problem
            )
    sys.exit(code)


if __name__ == "__main__":
    main()
