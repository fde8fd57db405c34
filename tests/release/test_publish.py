"""release/publish.sh with doubles of docker, helm and cosign, which record their calls."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from release.version import ROOT, project_version

VERSION = project_version()
TO = "registry.example.org/owner"

PROGRAM = """#!{python}
import gzip, hashlib, json, sys
from pathlib import Path

folder = Path({folder!r})
words = sys.argv[1:]
program = Path(sys.argv[0]).name
with (folder / "calls").open("a") as calls:
    print(json.dumps([program, *words]), file=calls)

def digest(name):
    return "sha256:" + hashlib.sha256(name.encode()).hexdigest()

match [program, *words]:
    case ["docker", "image", "inspect", "--format", *_]:
        print((folder / "architecture").read_text())
    case ["docker", "save", tag]:
        print(tag)
    case ["docker", "load", "--input", archive]:
        print("Loaded image:", gzip.open(archive, "rt").read().strip())
    case ["docker", "buildx", "imagetools", "inspect", "--raw", image]:
        made = [json.loads(line) for line in (folder / "calls").read_text().splitlines()]
        of = next(call[6:] for call in made if call[1:4] == ["buildx", "imagetools", "create"] and call[5] == image)
        print(json.dumps({{"manifests": [
            {{"digest": digest(each), "platform": {{"architecture": each.rpartition("-")[2]}}}} for each in of]}}))
    case ["docker", "buildx", "imagetools", "inspect", image, "--format", "{{{{json .Manifest.Digest}}}}"]:
        print(json.dumps(digest(image)))
    case ["helm", "push", package, to]:
        print("Pushed:", to, file=sys.stderr)
        print("Digest:", digest(Path(package).name), file=sys.stderr)
"""  # noqa: E501

Call = list[str]


class Runner:
    """A copy of the script in a new folder, and the calls of its programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made = folder / "var" / "release"
        (folder / "release").mkdir()
        (folder / "var" / "images").mkdir(parents=True)
        (folder / "release" / "publish.sh").write_text(
            (ROOT / "release" / "publish.sh").read_text()
        )
        (folder / "pyproject.toml").write_text(f'version = "{VERSION}"\n')
        programs = folder / "programs"
        programs.mkdir()
        for name in ("docker", "helm", "cosign"):
            (programs / name).write_text(PROGRAM.format(python=sys.executable, folder=str(folder)))
            (programs / name).chmod(0o755)

    def refused(self, *words: str, registry: str = "registry.example.org/Owner") -> str:
        """Run one step that is refused; return its error."""
        done = self._start(words, registry)
        assert done.returncode == 1
        return done.stderr

    def do(self, *words: str) -> None:
        """Run one step that succeeds."""
        done = self._start(words, "registry.example.org/Owner")
        assert done.returncode == 0, done.stderr

    def _start(self, words: tuple[str, ...], registry: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(self.folder / "release" / "publish.sh"), *words],
            env={"PATH": f"{self.folder / 'programs'}:{os.environ['PATH']}", "REGISTRY": registry},
            capture_output=True,
            text=True,
            check=False,
        )

    def save(self, name: str, architecture: str, suffix: str = "") -> None:
        (self.folder / "architecture").write_text(architecture)
        (self.folder / "var" / "images" / f"{name}{suffix}.cdx.json").write_text("{}")
        self.do("save", name, suffix)

    def calls(self, *beginning: str) -> list[Call]:
        """Return the calls of a program, in order."""
        lines = (self.folder / "calls").read_text().splitlines()
        said: list[Call] = [json.loads(line) for line in lines]
        return [call for call in said if call[: len(beginning)] == list(beginning)]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    runner = Runner(tmp_path_factory.mktemp("publish"))
    for name in ("edge", "cloud", "dashboard"):
        for architecture in ("amd64", "arm64"):
            runner.save(name, architecture)
    runner.save("edge", "amd64", "-gpu")
    (runner.made / "charts").mkdir()
    for chart in ("maskgate", "maskgate-edge"):
        (runner.made / "charts" / f"{chart}-{VERSION}.tgz").write_text(chart)
    for step in ("images", "charts", "sign", "files"):
        runner.do(step)
    return runner


def test_the_tag_that_people_pull_joins_both_platforms(published: Runner) -> None:
    joined = {
        call[5]: call[6:] for call in published.calls("docker", "buildx", "imagetools", "create")
    }
    assert joined == {
        **{
            f"{TO}/maskgate/{name}:{VERSION}": [
                f"{TO}/maskgate/{name}:{VERSION}-amd64",
                f"{TO}/maskgate/{name}:{VERSION}-arm64",
            ]
            for name in ("edge", "cloud", "dashboard")
        },
        f"{TO}/maskgate/edge:{VERSION}-gpu": [f"{TO}/maskgate/edge:{VERSION}-gpu-amd64"],
    }
    pushed = {call[-1] for call in published.calls("docker", "push")}
    assert pushed == {part for parts in joined.values() for part in parts}


def test_charts_go_beside_the_images(published: Runner) -> None:
    assert {call[-1] for call in published.calls("helm", "push")} == {f"oci://{TO}/maskgate/charts"}
    assert len(published.calls("helm", "push")) == 2


def test_all_that_was_pushed_is_signed_by_its_digest(published: Runner) -> None:
    subjects = (published.made / "subjects.txt").read_text().split()
    names = sorted(subjects[1::2])
    assert names == sorted(
        [
            f"{TO}/maskgate/charts/maskgate",
            f"{TO}/maskgate/charts/maskgate-edge",
            *(f"{TO}/maskgate/{name}" for name in ("cloud", "dashboard", "edge", "edge")),
        ]
    )
    signed = [call[-1] for call in published.calls("cosign", "sign")]
    assert signed == [
        f"{name}@sha256:{digest}"
        for digest, name in zip(subjects[::2], subjects[1::2], strict=True)
    ]


def test_the_bill_of_each_platform_is_attested_to_the_image_of_that_platform(
    published: Runner,
) -> None:
    attested = {Path(call[-2]).name: call[-1] for call in published.calls("cosign", "attest")}
    assert set(attested) == {
        f"maskgate-{name}-{VERSION}-{architecture}.cdx.json"
        for name in ("edge", "cloud", "dashboard")
        for architecture in ("amd64", "arm64")
    } | {f"maskgate-edge-{VERSION}-gpu-amd64.cdx.json"}
    assert len(set(attested.values())) == 7
    assert all(image.startswith(f"{TO}/maskgate/") for image in attested.values())


def test_the_page_shows_packages_bills_and_their_checksums(published: Runner) -> None:
    lines = (published.made / "files" / "SHA256SUMS").read_text().splitlines()
    assert len([line for line in lines if line.endswith(".cdx.json")]) == 7
    assert len([line for line in lines if line.endswith(f"-{VERSION}.tgz")]) == 2
    assert len(lines) == 9
    assert published.calls("cosign", "sign-blob")


def test_a_platform_that_is_missing_stops_before_its_tag_is_made(runner: Runner) -> None:
    runner.save("edge", "amd64")
    assert "edge: var/release/images has 1 of its platforms, and must have 2" in runner.refused(
        "images"
    )
    assert not runner.calls("docker", "buildx", "imagetools", "create")


def test_an_image_of_another_registry_is_not_pushed(runner: Runner) -> None:
    runner.save("edge", "amd64")
    assert f"not version {VERSION} for other.example.org" in runner.refused(
        "images", registry="other.example.org"
    )
    assert not runner.calls("docker", "push")


def test_nothing_is_signed_where_nothing_was_pushed(runner: Runner) -> None:
    runner.made.mkdir(parents=True)
    assert "push images and charts first" in runner.refused("sign")


def test_the_registry_must_be_said(runner: Runner) -> None:
    assert "REGISTRY is not set" in runner.refused("charts", registry="")
