"""Loading: a model's files are checked, and become a network that is ready to run."""

from pathlib import Path

import openvino as ov

from edge.decoding import output_names
from edge.errors import ModelUnfitError
from edge.inference.mirror import remove_mirror
from edge.inference.model_info import ModelInfo
from edge.inference.network import INPUT, LEAST_SIZES, OUTPUTS, Network, Target, refused
from edge.inference.processor import Parallelism, parallelism
from edge.manifest import MANIFEST, MEND, ModelFiles, Role
from edge.settings import InferencePrecision
from edge.sidecar import Sidecar

_MODEL_TYPES = {
    Role.DETECTOR: "face_detector",
    Role.CLASSIFIER: "mask_classifier",
    Role.GENDER: "gender_classifier",
}
_COMMON_KEYS = ("model_name", "model_version", "labels", "confidence_threshold")
_CROP_KEYS = (*_COMMON_KEYS, "crop_margin", "min_face_size")
_REQUIRED_KEYS = {
    Role.DETECTOR: (*_COMMON_KEYS, "iou_threshold"),
    Role.CLASSIFIER: _CROP_KEYS,
    Role.GENDER: _CROP_KEYS,
}
_OPTIONAL_KEYS = (
    "input_size",
    "resize",
    "size_multiple",
    "certain_threshold",
    "blend_iou_threshold",
    "blend_score_threshold",
    "untested_labels",
)


def load(
    files: ModelFiles,
    *,
    sidecar: Sidecar | None = None,
    device: str = "CPU",
    threads: int | None = None,
    precision: InferencePrecision = InferencePrecision.F32,
    cache_dir: Path | None = None,
    mirror: bool = True,
    sizes: int = LEAST_SIZES,
) -> Network:
    """Check a model's files, and make the model ready to run.

    Args:
        files: From `manifest.find` or `sidecar.files_of`.
        sidecar: Describes a model of your own; None for a model whose file has all metadata.
        device: OpenVINO's name of the device.
        threads: For inference; None for the number that suits this machine
            (`processor.parallelism`).
        precision: In which the device computes.
        cache_dir: Folder in which compiled models are kept for a faster start.
        mirror: Whether a classifier judges the mirror image of each crop, too (`mirror.py`).
        sizes: Sizes of pictures for which the model stays compiled.

    Returns:
        The network, compiled at its first picture.

    Raises:
        ModelMissingError: A file is missing.
        ModelAlteredError: A hash is wrong.
        ModelUnfitError: The file is no graph of this role, metadata is missing, or this machine
            does not have the device.
    """
    core = ov.Core()
    if not _is_virtual(device):
        there = core.available_devices
        if device not in there and device.split(".", 1)[0] not in there:
            raise ModelUnfitError(
                f"this machine has no inference device {device} (it has {', '.join(there)})",
                "Set EDGE_INFERENCE_DEVICE to one of these",
            )
    config = _config(parallelism(threads, device), files.role, device, precision, cache_dir)
    target = Target(core, device, config)
    if sidecar is not None:
        path = files.folder / next(name for name in files.sha256 if not name.endswith(".bin"))
        graph = _own_graph(core, path, sidecar)
        info = ModelInfo(sidecar.info(), path)
        return Network(files, info, graph, target, sidecar.output, sizes)
    content = files.read()
    path = files.folder / next((n for n in files.sha256 if n.endswith(".xml")), files.name)
    if ".xml" not in content or ".bin" not in content:
        raise ModelUnfitError(f"model {files.name}: {MANIFEST} must name its .xml and .bin", MEND)
    with refused(f"model {path} is not an OpenVINO IR that can be read"):
        graph = core.read_model(content[".xml"], content[".bin"])
        if files.role is Role.CLASSIFIER and not mirror:
            remove_mirror(graph)
    info = _info(graph, files.role, path)
    return Network(files, info, graph, target, most_sizes=sizes)


def _is_virtual(device: str) -> bool:
    """Return whether OpenVINO chooses the device itself."""
    return device.split(":", 1)[0] in {"AUTO", "HETERO", "MULTI", "BATCH"}


def _config(
    parallel: Parallelism,
    role: Role,
    device: str,
    precision: InferencePrecision,
    cache_dir: Path | None,
) -> dict[str, object]:
    """Return OpenVINO's options for a model of this role."""
    config: dict[str, object] = {"PERFORMANCE_HINT": "LATENCY"}
    if parallel.threads is not None:
        config["INFERENCE_NUM_THREADS"] = parallel.threads
        if role is not Role.DETECTOR:
            # The crops of a frame are independent, so each thread takes some of them.
            config |= {"NUM_STREAMS": parallel.streams, "INFERENCE_NUM_THREADS": parallel.streams}
    if device == "CPU":
        # OpenVINO binds threads to processors from the first one on. Two models that run at the
        # same time would share the first processor, and leave the others idle.
        config["ENABLE_CPU_PINNING"] = False
    if precision is not InferencePrecision.AUTO:
        config["INFERENCE_PRECISION_HINT"] = str(precision)
    if cache_dir is not None:
        config["CACHE_DIR"] = str(cache_dir)
    return config


def _own_graph(core: ov.Core, path: Path, sidecar: Sidecar) -> ov.Model:
    """Read a model of your own, and put the preprocessing that its sidecar describes in front.

    Returns:
        A graph that takes pictures as a camera sends them: u8 [1, H, W, 3], BGR.

    Raises:
        ModelUnfitError: The model cannot be read, or differs from its sidecar.
    """
    given, mend = sidecar.input, "Correct the model's sidecar"
    formats = "Take an IR (.xml and .bin), .onnx, .tflite or .pb file"
    with refused(f"model {path} cannot be read by OpenVINO", formats):
        graph = core.read_model(path)
    if len(graph.inputs) != 1:
        raise ModelUnfitError(f"model {path} has {len(graph.inputs)} inputs; it must have one")
    names = sorted(name for port in graph.outputs for name in port.get_names())
    wanted = output_names(sidecar.output)
    for name in wanted:
        if name not in names:
            raise ModelUnfitError(
                f"model {path} has no output {name!r}, which output kind {sidecar.output.kind}"
                f" needs (there are {', '.join(names)})",
                mend,
            )
    if not wanted and len(graph.outputs) != 1:
        raise ModelUnfitError(
            f"model {path} has the outputs {', '.join(names)}; output.name must say which", mend
        )
    width, height = given.size
    sides = (-1, -1) if given.multiple else (height, width)
    shape = [1, 3, *sides] if given.layout == "nchw" else [1, *sides, 3]
    layout = f"input.layout {given.layout} with input.size {width}×{height}"
    with refused(f"model {path} does not accept {layout}", mend):
        graph.reshape(shape)
        steps = ov.preprocess.PrePostProcessor(graph)
        steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
        steps.input().model().set_layout(ov.Layout(given.layout.upper()))
        change = steps.input().preprocess().convert_element_type(ov.Type.f32)
        if given.colour == "rgb":
            change.reverse_channels()
        change.mean(list(given.mean)).scale(list(given.scale))
        graph = steps.build()
    graph.inputs[0].get_tensor().set_names({INPUT})
    return graph


def _info(graph: ov.Model, role: Role, path: Path) -> ModelInfo:
    """Read the metadata of a graph, and check that nothing is missing.

    Returns:
        The metadata.

    Raises:
        ModelUnfitError: A key is missing, or the graph is of another role.
    """
    values: dict[str, str] = {}
    for key in ("model_type", *_REQUIRED_KEYS[role]):
        if not graph.has_rt_info(["model_info", key]):
            raise ModelUnfitError(f"model {path} lacks model_info/{key}", MEND)
        values[key] = str(graph.get_rt_info(["model_info", key]).value)
        if key == "model_type" and values[key] != _MODEL_TYPES[role]:
            raise ModelUnfitError(
                f"model {path} is a {values[key]}, not a {_MODEL_TYPES[role]}",
                "Check EDGE_DETECTOR and EDGE_CLASSIFIER",
            )
    for key in _OPTIONAL_KEYS:
        if graph.has_rt_info(["model_info", key]):
            values[key] = str(graph.get_rt_info(["model_info", key]).value)
    inputs = [name for port in graph.inputs for name in port.get_names()]
    outputs = [name for port in graph.outputs for name in port.get_names()]
    for name, ports in [(INPUT, inputs), *((name, outputs) for name in OUTPUTS[role])]:
        if name not in ports:
            raise ModelUnfitError(f"model {path} has no input or output named {name!r}", MEND)
    return ModelInfo(values, path)
