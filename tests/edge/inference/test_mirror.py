from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from edge.inference import loading
from edge.inference.mirror import remove_mirror
from edge.manifest import Role, find
from edge.settings import MODELS_DIR, Precision


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.INT8])
def test_the_shipped_answer_is_the_mean_of_a_crop_and_its_mirror_image_judged_without(
    precision: Precision,
) -> None:
    files = find(Role.CLASSIFIER, MODELS_DIR, precision=precision)
    both, alone = (loading.load(files, mirror=mirror) for mirror in (True, False))
    crops = np.random.default_rng(4).integers(0, 256, (3, 96, 96, 3), np.uint8)
    for crop in crops:
        ways = [alone.infer(each)["probabilities"] for each in (crop, crop[:, ::-1])]
        mean = np.sqrt(ways[0] * ways[1])
        np.testing.assert_allclose(
            both.infer(crop)["probabilities"], mean / mean.sum(), rtol=1e-3, atol=1e-5
        )


def test_crops_of_one_batch_get_the_answers_that_each_gets_alone_without_mirror_images() -> None:
    network = loading.load(find(Role.CLASSIFIER, MODELS_DIR), mirror=False)
    crops = np.random.default_rng(5).integers(0, 256, (4, 96, 96, 3), np.uint8)
    rows = [answer["probabilities"] for answer in network.start(crops).result()]
    alone = [network.infer(crop)["probabilities"] for crop in crops]
    np.testing.assert_allclose(rows, alone, atol=1e-5)


def test_a_graph_without_mirror_images_stays_as_it_is(models_dir: Path) -> None:
    graph = ov.Core().read_model(models_dir / "classifier.xml")
    before = [op.get_friendly_name() for op in graph.get_ordered_ops()]
    assert not remove_mirror(graph)
    assert [op.get_friendly_name() for op in graph.get_ordered_ops()] == before
