"""Model packages of stand-in models, and a source that hands them out like the cloud."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import openvino as ov

from cloud.contract import ModelOrder
from edge.errors import CloudUnreachableError, KeyRefusedError
from tests.edge import standins


def package(path: Path, files: dict[str, bytes], *, role: str = "classifier") -> bytes:
    """Write a ZIP with these files and a manifest of one model; return its bytes."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    entry = {"name": "own", "role": role, "version": "9", "files": digests}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr("manifest.json", json.dumps({"schema": 1, "models": [entry]}))
    return path.read_bytes()


def model_files(folder: Path, graph: ov.Model, **info: str) -> dict[str, bytes]:
    """The files of a classifier with this graph, whose metadata differ from the stand-in's."""
    folder.mkdir(parents=True, exist_ok=True)
    for key, value in {**standins.INFO["classifier"], **info}.items():
        graph.set_rt_info(value, ["model_info", key])
    ov.save_model(graph, folder / "own.xml", compress_to_fp16=False)
    return {name: (folder / name).read_bytes() for name in ("own.xml", "own.bin")}


def order(content: bytes, **changes: object) -> ModelOrder:
    """The order of a package."""
    sha256 = hashlib.sha256(content).hexdigest()
    said = {
        "role": "classifier",
        "sha256": sha256,
        "size": len(content),
        "version": "9",
        "path": f"/v1/devices/me/models/{sha256}",
    }
    return ModelOrder.model_validate({**said, **changes})


class Source:
    """A cloud with one package. Its connection may break off, and it may refuse the key once."""

    def __init__(self, content: bytes, *, breaks_at: int | None = None) -> None:
        self.content = content
        self.breaks_at = breaks_at
        self.refuses_key = False
        self.starts: list[int] = []

    def download(self, _path: str, start: int, write: Callable[[bytes], object], most: int) -> None:
        self.starts.append(start)
        if self.refuses_key:
            self.refuses_key = False
            raise KeyRefusedError("the key was rolled")
        end = start + most
        if self.breaks_at is not None:
            end, self.breaks_at = self.breaks_at, None
            write(self.content[start:end])
            raise CloudUnreachableError("it broke off")
        write(self.content[start:end])
