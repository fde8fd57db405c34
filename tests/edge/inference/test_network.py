from pathlib import Path

import numpy as np
import pytest

from edge.errors import ModelUnfitError
from edge.inference import loading, processor
from edge.manifest import Role, find
from edge.settings import MODELS_DIR, InferencePrecision, Precision
from edge.values import FloatArray
from tests.edge import standins


def test_a_model_runs_on_pictures_of_any_size(models_dir: Path) -> None:
    network = loading.load(find(Role.DETECTOR, models_dir))
    for size in ((240, 320), (480, 640)):
        found = network.infer(standins.picture(standins.RED, size=size))
        assert found["boxes"][0].tolist() == [100, 60, 180, 140]
        assert found["scores"].shape == (2,)


def test_expecting_a_size_changes_no_result(models_dir: Path) -> None:
    network = loading.load(find(Role.DETECTOR, models_dir))
    picture = standins.picture(standins.GREEN)
    before = network.infer(picture)
    network.expect(240, 320)
    after = network.infer(picture)
    for name, array in before.items():
        np.testing.assert_allclose(array, after[name], atol=1e-5)
    other = network.infer(standins.picture(standins.GREEN, size=(200, 300)))
    assert other["boxes"][0].tolist() == [100, 60, 180, 140]


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.INT8])
@pytest.mark.parametrize("role", [Role.DETECTOR, Role.CLASSIFIER])
def test_the_first_answer_is_the_answer(role: Role, precision: Precision) -> None:
    network = loading.load(find(role, MODELS_DIR, precision=precision))
    picture = np.random.default_rng(2).integers(0, 256, (168, 143, 3), np.uint8)
    first, second = network.infer(picture), network.infer(picture)
    for name, array in first.items():
        np.testing.assert_allclose(array, second[name], atol=1e-5)


def test_an_answer_outlives_the_next_call(models_dir: Path) -> None:
    network = loading.load(find(Role.DETECTOR, models_dir))
    first = network.infer(standins.picture(standins.GREEN))["boxes"]
    kept = first.copy()
    network.infer(standins.picture(standins.GREEN, box=(0, 0, 40, 40)))
    assert np.array_equal(first, kept)


def test_a_picture_that_the_graph_cannot_take_is_an_error(models_dir: Path) -> None:
    network = loading.load(find(Role.DETECTOR, models_dir))
    with pytest.raises(ModelUnfitError, match="failed on a picture"):
        network.infer(np.zeros((10, 10, 4), np.uint8))


def test_a_wrong_argument_of_ours_is_a_fault_of_this_program_and_not_of_the_model(
    models_dir: Path,
) -> None:
    network = loading.load(find(Role.DETECTOR, models_dir))
    with pytest.raises(TypeError):
        network.infer(np.full((240, 320, 3), object()))
    with pytest.raises(TypeError):
        network.expect("240", object())  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.INT8])
def test_pictures_of_one_batch_get_the_answers_that_each_gets_alone(precision: Precision) -> None:
    network = loading.load(find(Role.CLASSIFIER, MODELS_DIR, precision=precision), threads=2)
    width, height = network.info.size()
    network.expect(height, width)
    batch = np.random.default_rng(3).integers(0, 256, (7, height, width, 3), np.uint8)
    alone = [network.infer(picture)["probabilities"] for picture in batch]
    # The sizes of batches change from frame to frame.
    for count in (3, 7, 1, 2, 7):
        found = network.start(batch[:count]).result()
        rows = np.array([answer["probabilities"] for answer in found])
        np.testing.assert_allclose(rows, alone[:count], atol=1e-5)


def test_requests_that_run_at_the_same_time_keep_their_answers(models_dir: Path) -> None:
    network = loading.load(find(Role.DETECTOR, models_dir))
    network.expect(240, 320)
    boxes = [(10 * i, 20, 10 * i + 80, 100) for i in range(6)]
    started = [
        network.start(standins.picture(standins.GREEN, box=box)[np.newaxis]) for box in boxes
    ]
    found = [tuple(pending.result()[0]["boxes"][0].tolist()) for pending in reversed(started)]
    assert found == list(reversed(boxes))


def test_a_picture_that_cannot_be_written_to_is_taken(models_dir: Path) -> None:
    network = loading.load(find(Role.DETECTOR, models_dir))
    picture = standins.picture(standins.GREEN)
    picture.flags.writeable = False
    assert network.infer(picture)["boxes"][0].tolist() == [100, 60, 180, 140]


def test_a_size_that_comes_back_is_not_compiled_again(models_dir: Path, tmp_path: Path) -> None:
    network = loading.load(find(Role.DETECTOR, models_dir), cache_dir=tmp_path)
    sizes = [(240, 320), (120, 160), (240, 320), (120, 160)]
    for size in sizes:
        network.expect(*size)
    assert len(list(tmp_path.glob("*.blob"))) == 2
    for blob in tmp_path.glob("*.blob"):
        blob.unlink()
    for size in sizes:
        network.expect(*size)
    assert not list(tmp_path.glob("*.blob"))


def test_the_size_that_was_not_used_for_longest_is_given_up(
    models_dir: Path, tmp_path: Path
) -> None:
    network = loading.load(find(Role.DETECTOR, models_dir), cache_dir=tmp_path)
    sizes = [(60, 80), (120, 160), (180, 240), (240, 320)]
    for size in [*sizes, sizes[0], (300, 400)]:
        network.expect(*size)
    for blob in tmp_path.glob("*.blob"):
        blob.unlink()
    network.expect(*sizes[0])
    assert not list(tmp_path.glob("*.blob"))
    network.expect(*sizes[1])
    assert len(list(tmp_path.glob("*.blob"))) == 1


@pytest.mark.parametrize("device", ["CPU", "AUTO", "HETERO:CPU"])
@pytest.mark.parametrize("role", [Role.DETECTOR, Role.CLASSIFIER])
def test_every_processor_computes_in_32_bits_unless_told_otherwise(role: Role, device: str) -> None:
    network = loading.load(find(role, MODELS_DIR, precision=Precision.FP16), device=device)
    assert network.precision == ""
    network.expect(96, 96)
    assert network.precision == "f32"


@pytest.mark.parametrize("asked", [InferencePrecision.BF16, InferencePrecision.F16])
def test_the_precision_in_use_is_told_and_not_the_one_that_was_asked_for(
    asked: InferencePrecision,
) -> None:
    network = loading.load(find(Role.CLASSIFIER, MODELS_DIR), precision=asked)
    network.expect(96, 96)
    offered = processor.precisions()
    assert network.precision == (asked if asked in offered else InferencePrecision.F32)


@pytest.mark.parametrize("other", [InferencePrecision.BF16, InferencePrecision.F16])
def test_a_shorter_precision_changes_the_answers_and_the_default_does_not(
    other: InferencePrecision,
) -> None:
    if other not in processor.precisions():
        pytest.skip(f"this processor does not compute in {other}")
    files = find(Role.CLASSIFIER, MODELS_DIR, precision=Precision.FP16)
    batch = np.random.default_rng(4).integers(0, 256, (8, 96, 96, 3), np.uint8)

    def rows(precision: InferencePrecision) -> FloatArray:
        network = loading.load(files, precision=precision)
        network.expect(96, 96)
        return np.array([answer["probabilities"] for answer in network.start(batch).result()])

    exact = rows(InferencePrecision.F32)
    assert np.abs(rows(other) - exact).max() > 1e-4
    np.testing.assert_allclose(rows(InferencePrecision.F32), exact, atol=1e-6)
