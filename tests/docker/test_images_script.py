"""Which base docker/images.sh builds an image of another platform from, by a docker that notes it.

Each engine here is one that people have: with BuildKit or before it, with a base of the platform or
without. How real ones build is tests/deploy/test_arm64.py's.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from release.version import project_version

ROOT = Path(__file__).parents[2]
BASE = "python:3.11-slim-bookworm"
OWN = f"{BASE}-arm64"

DOCKER = """#!{python}
import json, os, sys
from pathlib import Path

folder = Path({folder!r})
words = sys.argv[1:]
with (folder / "calls").open("a") as calls:
    print(json.dumps(words), file=calls)
images = json.loads((folder / "images").read_text())

def keep():
    (folder / "images").write_text(json.dumps(images))

match words:
    case ["buildx", "version"]:
        sys.exit(0 if (folder / "buildx").exists() else 1)
    case ["image", "inspect", "--format", template, name]:
        if name not in images and not name.startswith("maskgate/"):
            sys.exit(f"Error: No such image: {{name}}")
        identity, platform = images.get(name, ["built", "linux/arm64"])
        told = {{"Id": identity, "Os": platform, "Size": "104857600"}}
        print(next(each for field, each in told.items() if "." + field in template))
    case ["pull", "--quiet", *platform, name]:
        if not (folder / "registry").exists():
            sys.exit("no such host")
        if name in images:
            images[images[name][0]] = images[name]  # without a name, it is there by its id
        images[name] = ["pulled", platform[1] if platform else "linux/amd64"]
        keep()
    case ["tag", old, new]:
        images[new] = next(each for name, each in images.items() if old in (name, each[0]))
        keep()
    case ["build", *_]:
        (folder / "builder").write_text(os.environ["BUILDX_BUILDER"])
    case ["rmi", name]:
        del images[name]
        keep()
"""


class Engine:
    """A docker on a PATH of its own, that builds nothing and notes what it was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._script = folder / "docker"
        self._script.write_text(DOCKER.format(python=sys.executable, folder=str(folder)))
        self._script.chmod(0o755)
        self.holds({BASE: "linux/amd64"})

    def holds(self, images: dict[str, str]) -> None:
        """Have these images, by name and platform."""
        held = {name: [f"id of {name}", platform] for name, platform in images.items()}
        (self.folder / "images").write_text(json.dumps(held))

    def has(self, what: str) -> None:
        """Have BuildKit (buildx), or reach a registry."""
        (self.folder / what).touch()

    @property
    def images(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "images").read_text()))

    def run(self, **settings: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(self.folder), os.environ["PATH"]])
        foreign = ("DOCKER_", "BUILDX_", "GITHUB_", "SOURCE")
        kept = {name: each for name, each in os.environ.items() if not name.startswith(foreign)}
        return subprocess.run(
            ["docker/images.sh", "edge"],
            cwd=ROOT,
            env={**kept, **settings, "PATH": path, "SUFFIX": "-test"},
            capture_output=True,
            text=True,
            check=False,
        )

    def built(self, **settings: str) -> tuple[str, str]:
        """Return the base and the platform that an image was built with."""
        done = self.run(**settings)
        assert done.returncode == 0, done.stderr
        noted = (self.folder / "calls").read_text().splitlines()
        calls = map(json.loads, noted)
        (build,) = (words for words in calls if words[0] == "build")
        # An image that declares volumes leaves none behind that nobody knows.
        assert [words[:2] for words in map(json.loads, noted) if words[0] == "rm"] == [
            ["rm", "--volumes"]
        ]
        said = [word.removeprefix("PYTHON_IMAGE=") for word in build if "PYTHON_IMAGE=" in word]
        platform = build[build.index("--platform") + 1] if "--platform" in build else ""
        return said[0], platform


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path)


def test_for_this_platform_nothing_is_said_of_it(engine: Engine) -> None:
    assert engine.built() == (BASE, "")


def test_the_engines_own_builder_is_taken_where_none_is_named(engine: Engine) -> None:
    engine.built()
    assert (engine.folder / "builder").read_text() == "default"


def test_a_builder_that_is_named_is_taken(engine: Engine) -> None:
    engine.built(BUILDX_BUILDER="of-ours")
    assert (engine.folder / "builder").read_text() == "of-ours"


@pytest.mark.parametrize(
    ("settings", "source"),
    [
        ({}, ""),
        ({"SOURCE": "https://forge.example/gate"}, "https://forge.example/gate"),
        (
            {"GITHUB_SERVER_URL": "https://forge.example", "GITHUB_REPOSITORY": "a/gate"},
            "https://forge.example/a/gate",
        ),
    ],
)
def test_an_image_says_where_its_source_is(
    engine: Engine, settings: dict[str, str], source: str
) -> None:
    engine.built(**settings)
    assert f"SOURCE={source}" in (engine.folder / "calls").read_text().replace('"', " ").split()


def test_buildkit_finds_the_base_by_itself(engine: Engine) -> None:
    engine.has("buildx")
    assert engine.built(PLATFORM="linux/arm64") == (BASE, "linux/arm64")


def test_a_base_that_lies_here_is_taken_by_either_builder(engine: Engine) -> None:
    engine.holds({BASE: "linux/amd64", OWN: "linux/arm64"})
    assert engine.built(PLATFORM="linux/arm64") == (OWN, "linux/arm64")


def test_a_base_is_named_as_its_label_says_where_that_is_wrong(engine: Engine) -> None:
    engine.holds({BASE: "linux/amd64", OWN: "linux/amd64"})
    assert engine.built(PLATFORM="linux/arm64") == (OWN, "linux/amd64")


def test_the_builder_before_buildkit_is_given_a_base_and_the_own_one_stays(engine: Engine) -> None:
    engine.has("registry")
    assert engine.built(PLATFORM="linux/arm64") == (OWN, "linux/arm64")
    assert engine.images[OWN] == ["pulled", "linux/arm64"]
    assert engine.images[BASE] == [f"id of {BASE}", "linux/amd64"]


def test_where_there_was_no_base_none_of_another_platform_stays_in_its_name(engine: Engine) -> None:
    engine.holds({})
    engine.has("registry")
    assert engine.built(PLATFORM="linux/arm64") == (OWN, "linux/arm64")
    assert set(engine.images) == {OWN}


def test_a_base_that_cannot_be_had_is_named_with_the_mend(engine: Engine) -> None:
    done = engine.run(PLATFORM="linux/arm64")
    assert done.returncode == 1
    assert f"give one as {OWN}" in done.stderr
    assert not any('"build"' in line for line in (engine.folder / "calls").read_text().splitlines())


def test_a_size_is_told_where_buildkit_keeps_no_base(engine: Engine) -> None:
    engine.has("buildx")
    done = engine.run(PLATFORM="linux/arm64")
    assert done.stdout.splitlines()[-1].split() == [
        f"maskgate/edge:{project_version()}-test",
        "100",
        "?",
    ]
    engine.holds({})
    engine.has("registry")
    assert engine.run().stdout.splitlines()[-1].split()[1:] == ["100", "0"]
