"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path,
    typer.Option(
        help="Folder of the public sets, or any folder in COCO, VOC, YOLO or class-folder layout."
    ),
]
Prepared = Annotated[
    Path, typer.Option(help="Where prepare writes, and the others read, the records.")
]

RunFolder = Annotated[
    Path | None,
    typer.Option(
        "--run",
        help="Folder of the run: checkpoints, curves and figures. Default: var/training/<kind>.",
    ),
]

DetectorRun = Annotated[Path, typer.Option(help="The detector's run.")]
ClassifierRun = Annotated[Path, typer.Option(help="The classifier's run.")]
Installed = Annotated[
    Path, typer.Option(help="Folder of the installed models, with their manifest.json.")
]
LeastSide = Annotated[
    float, typer.Option(help="Shorter side in pixels from which a face counts.", min=1)
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write the figures for machines here, too.")
]
