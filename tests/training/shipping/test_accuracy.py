from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino
import pytest

from tests.training.datasets import boxed_dataset
from training.boxes.detections import Detections
from training.graphs.installed import ModelPair, pairs_in
from training.graphs.system import Prediction, System
from training.records.record import LABELS
from training.samples.mask_crops import held_out_crops
from training.shipping.accuracy import Accuracy, MeasuredSplit, latencies

NONE = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


@pytest.fixture(scope="module")
def split() -> MeasuredSplit:
    dataset = boxed_dataset(4)
    return MeasuredSplit(dataset, held_out_crops(dataset, 48, 0.2))


@pytest.fixture(scope="module")
def graphs(models: Path) -> ModelPair:
    core = openvino.Core()
    (files,) = pairs_in(models)
    return ModelPair(core.read_model(files.detector), core.read_model(files.classifier), "graphs")


def test_a_graph_is_worth_what_its_file_is_and_stays_as_it_was(
    split: MeasuredSplit,
    graphs: ModelPair,
    models: Path,
) -> None:
    (files,) = pairs_in(models)
    assert split.accuracy(graphs) == split.accuracy(files)
    shape = graphs.classifier.inputs[0].partial_shape  # type: ignore[union-attr]
    assert str(shape) == "[?,?,?,3]"


def test_a_verdict_is_right_where_masked_faces_are_and_others_are_not_masked(
    split: MeasuredSplit,
) -> None:
    dataset = split.dataset
    by_picture = {p.tobytes(): r for p, r in zip(dataset.pictures, dataset.records, strict=True)}

    def said(labels: dict[str, int]) -> float:
        def find(picture: np.ndarray, _: float) -> Prediction:
            faces = by_picture[picture.tobytes()].faces
            boxes = np.array([f.box for f in faces], np.float32)
            told = np.array([labels[str(f.label)] for f in faces], np.int64)
            scores = np.full(len(faces), 0.9, np.float32)
            return Prediction(Detections(boxes, scores), told, (told == 0).astype(np.float32))

        return split.right_verdict(System("told", find, 0.5))

    exact = {label: place for place, label in enumerate(LABELS)}
    assert said(exact) == 1
    # Bare or wrongly worn is the same at a door.
    assert said(exact | {"without_mask": 2, "incorrect_mask": 1}) == 1
    everyone = sum(len(r.faces) for r in dataset.records)
    masked = sum(f.label == LABELS[0] for r in dataset.records for f in r.faces)
    assert said(dict.fromkeys(LABELS, 0)) == pytest.approx(masked / everyone)
    nothing = Prediction(NONE, np.zeros(0, np.int64), np.zeros(0, np.float32))
    assert split.right_verdict(System("blind", lambda *_: nothing, 0.5)) == 0


def test_all_are_timed_under_their_names(
    split: MeasuredSplit,
    graphs: ModelPair,
    models: Path,
) -> None:
    # A threshold that nothing reaches: hundreds of made-up faces would all have to be judged.
    blind = openvino.Core().read_model(pairs_in(models)[0].detector)
    blind.set_rt_info("0.99", ["model_info", "confidence_threshold"])
    pair = replace(graphs, detector=blind)
    times = latencies(split, (pair, replace(pair, name="again")), (1, 2), turns=1)
    assert list(times) == [
        "graphs, 1 thread",
        "again, 1 thread",
        "graphs, 2 threads",
        "again, 2 threads",
    ]
    assert all(0 < latency.least <= latency.median for latency in times.values())
    assert set(times["again, 1 thread"].as_json()) >= {"median_ms", "least_ms"}


def test_a_drop_is_what_the_other_is_worse_by() -> None:
    assert Accuracy(0.9, 0.8, 0.7).drops(Accuracy(0.88, 0.81, 0.7)) == {
        "face_ap_50": 0.02,
        "macro_f1": -0.01,
        "right_verdict": 0.0,
    }
