"""A checkout whose container engine and Compose are doubles that note what they are told."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.doubles.redis_server import free_port

ROOT = Path(__file__).parents[2]
BASE = ROOT / "docker" / "compose.yaml"
FILES = [BASE, *sorted((ROOT / "docker").glob("compose.?*.yaml"))]

DOCKER = r"""#!/bin/bash
# A container is a file in containers, which holds its state.
folder=${0%/*/*} name=${0##*/}
if [ "$1" = compose ]; then shift; name=docker-compose; fi
case $name:$1 in
docker-compose:version) cat "$folder/compose-version" && exit ;;
docker-compose:*)
  (IFS=$'\t'; echo "$*") >>"$folder/calls"
  case " $* " in
  *" up "*)
    env -0 >"$folder/environment"
    if [ -e "$folder/fails" ]; then echo "port is already allocated" >&2; exit 1; fi
    became=healthy
    if [ -e "$folder/unwell" ]; then became=unhealthy; fi
    case $* in
    *\ redis | *\ edge) services=${*: -1} ;;
    *) services="redis api worker dashboard backup caddy" ;;
    esac
    case $* in *compose.door.yaml*) services+=" door" ;; esac
    case $* in *compose.hub.yaml*) services+=" hub" ;; esac
    case $* in *telegram*) services+=" bot" ;; esac
    for each in $services; do echo "$became" >"$folder/containers/$each"; done
    ;;
  *" down "*) rm -f "$folder"/containers/* ;;
  *" rm "*) rm -f "$folder/containers/${*: -1}" ;;
  *" run "*) echo "ran once" ;;
  esac
  ;;
docker:version) echo 20.10.24 ;;
docker:info) cat "$folder/processors" ;;
docker:ps)
  if [ "$2" != --all ]; then cat "$folder/ports" && exit; fi
  all=$*
  case $all in
  *service=*) found=("$folder/containers/${all##*service=}") ;;
  *) found=("$folder"/containers/*) ;;
  esac
  for each in "${found[@]}"; do [ ! -e "$each" ] || echo "${each##*/}"; done
  ;;
docker:inspect)
  case $3 in
  *compose.service*) echo "$4" ;;
  *Status*) cat "$folder/containers/$4" ;;
  *) echo 0 ;;
  esac
  ;;
docker:logs) echo "what it said last" ;;
docker:exec) echo '{"code": "made-now"}' ;;
docker:volume) echo kept ;;
esac
"""


class Machine:
    """A checkout of its own, with an engine and a Compose that only note what they are told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkout = folder / "checkout"
        shutil.copytree(ROOT / "docker", self.checkout / "docker")
        shutil.copy(ROOT / "pyproject.toml", self.checkout)
        (self.checkout / "docker" / ".env").unlink(missing_ok=True)
        self.secrets = folder / "secrets"
        self.environment: dict[str, str] = {}
        self._tools = folder / "bin"
        self._tools.mkdir()
        for name in ("docker", "docker-compose"):
            script = self._tools / name
            script.write_text(DOCKER)
            script.chmod(0o755)
        self.says(processors="4 true\n", ports="")
        self.has()
        self.says(**{"compose-version": "1.29.2"})

    def says(self, **what: str) -> None:
        """Have the engine or Compose answer so."""
        for name, text in what.items():
            (self.folder / name).write_text(text)

    def has(self, **containers: str) -> None:
        """Have these containers, by service and state."""
        shutil.rmtree(self.folder / "containers", ignore_errors=True)
        (self.folder / "containers").mkdir()
        for service, state in containers.items():
            (self.folder / "containers" / service).write_text(f"{state}\n")

    def settings(self, text: str) -> None:
        """Write docker/.env."""
        (self.checkout / "docker" / ".env").write_text(text)

    def secret(self, name: str, text: str) -> None:
        """Write a secret, as an editor does that replaces the file."""
        self.secrets.mkdir(exist_ok=True)
        (self.secrets / name).unlink(missing_ok=True)
        (self.secrets / name).write_bytes(text.encode())

    def run(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "USER") if name in os.environ}
        return subprocess.run(
            [str(self.checkout / "docker" / "compose.sh"), *words],
            cwd=cwd or self.folder,
            env={
                **kept,
                "PATH": os.pathsep.join([str(self._tools), os.environ["PATH"]]),
                "MASKGATE_SECRETS": str(self.secrets),
                "MASKGATE_API_PORT": str(free_port()),
                "MASKGATE_DASHBOARD_PORT": str(free_port()),
                **self.environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def ran(self, *words: str) -> str:
        """Run what has to go well; return all that it printed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def refused(self, *words: str) -> str:
        """Run what has to be refused before anything is started; return why."""
        done = self.run(*words)
        assert done.returncode == 1, done.stdout + done.stderr
        assert not [words for words in self.calls() if "up" in words]
        return done.stderr

    def calls(self) -> list[list[str]]:
        """Return what Compose was told, each time."""
        noted = self.folder / "calls"
        lines = noted.read_text().splitlines() if noted.exists() else []
        return [line.split("\t") for line in lines]

    def up(self) -> list[str]:
        """Return the words by which something was started last."""
        return [words for words in self.calls() if "up" in words][-1]

    def given(self) -> dict[str, str]:
        """Return the environment that Compose was given with these words."""
        pairs = (self.folder / "environment").read_text().rstrip("\0").split("\0")
        return dict(pair.split("=", 1) for pair in pairs)
