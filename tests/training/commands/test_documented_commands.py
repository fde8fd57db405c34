"""Every command line in docs/training.md is one that training has."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from torch.distributed.run import parse_args
from typer.core import TyperGroup

from training.__main__ import app

PAGE = Path(__file__).parents[3] / "docs" / "training.md"
LINES = re.findall(r"^    (?:torchrun .*? -m --|python -m) training (.+)$", PAGE.read_text(), re.M)


def test_the_page_shows_commands() -> None:
    assert len(LINES) >= 10


@pytest.mark.parametrize("line", LINES)
def test_a_documented_command_is_there_with_its_options(line: str) -> None:
    words = shlex.split(line, comments=True)
    command = typer.main.get_command(app)
    while isinstance(command, TyperGroup):
        assert words[0] in command.commands
        command = command.commands[words.pop(0)]
    known = {name for parameter in command.params for name in parameter.opts}
    assert {w for w in words if w.startswith("--")} <= known


def test_torchrun_passes_the_folder_of_a_run_on() -> None:
    (line,) = re.findall(r"^    torchrun (.+)$", PAGE.read_text(), re.M)
    arguments = parse_args(shlex.split(line))  # type: ignore[no-untyped-call]
    assert arguments.module
    assert arguments.training_script == "training"
    assert arguments.training_script_args[-2:] == ["--run", "var/training/big"]


def test_each_option_of_the_loop_is_explained() -> None:
    text = PAGE.read_text()
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    training = command.commands["train"]
    assert isinstance(training, TyperGroup)
    assert set(training.commands) == {"detector", "classifier", "gender"}
    options = ("--device", "--workers", "--threads", "--tensorboard", "--resume", "--every")
    for option in (*options, "--seed", "--steps", "--patience", "--begin-from"):
        assert option in text
        assert all(
            option in {n for p in one.params for n in p.opts} for one in training.commands.values()
        )


def _defaults(group: TyperGroup) -> Iterator[Path]:
    """Every path that is an option's default, in the group and in the groups inside it."""
    for command in group.commands.values():
        if isinstance(command, TyperGroup):
            yield from _defaults(command)
        else:
            yield from (p.default for p in command.params if isinstance(p.default, Path))


def test_no_option_names_a_folder_outside_the_working_folder_unless_it_is_asked_to() -> None:
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    package = Path(__file__).parents[3]
    paths = list(_defaults(command))
    assert len(paths) > 20
    assert [p for p in paths if ".." in p.parts] == []
    assert all(p.is_relative_to(package) for p in paths if p.is_absolute())
