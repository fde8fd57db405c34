import numpy as np
import torch
from numpy.typing import NDArray

from tests.training.datasets import bare_dataset, boxed_dataset
from training.samples.scenes import Scenes, mirrored_scene


def test_the_same_seed_makes_the_same_scenes_and_another_makes_others() -> None:
    dataset = boxed_dataset()
    first, again, other = (next(iter(Scenes(dataset, 96, 4, seed))) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_boxes_lie_in_the_scene_and_on_faces() -> None:
    rng = np.random.default_rng(3)
    scenes = Scenes(boxed_dataset(), 128, 1, 0)
    seen = 0
    for _ in range(60):
        picture, faces, ignored = scenes.composed(rng)
        assert picture.shape == (128, 128, 3)
        for boxes in (faces, ignored):
            assert boxes.shape[1] == 4
            assert (boxes >= -0.01).all()
            assert (boxes <= 128.01).all()
            assert (boxes[:, 2:] > boxes[:, :2]).all()
        seen += len(faces)
    assert seen > 40


def test_a_view_moves_boxes_with_their_picture() -> None:
    # One bright square on black: wherever the view goes, its box goes too.
    dataset = boxed_dataset(1)
    picture = np.zeros_like(dataset.pictures[0])
    x0, y0, x1, y1 = map(int, dataset.records[0].faces[0].box)
    picture[y0:y1, x0:x1] = 255
    dataset.pictures[0] = picture
    rng = np.random.default_rng(0)
    checked = 0
    for _ in range(80):
        view, faces, _ = Scenes(dataset, 128, 1, 0).view(0, 128, 128, rng)
        bright = np.argwhere((view == 255).all(-1))
        box = next(
            (f for f in faces if view[int(f[1:4:2].mean()), int(f[0:3:2].mean())].min() > 250), None
        )
        if box is None or len(bright) < 64 or (view[0, 0] > 250).all():
            continue
        low, high = bright.min(0)[::-1], bright.max(0)[::-1] + 1
        if np.abs(low - box[:2]).max() < 2.5 and np.abs(high - box[2:]).max() < 2.5:
            checked += 1
    assert checked > 20


def test_making_scenes_leaves_the_dataset_as_it_was() -> None:
    dataset = bare_dataset()
    before = [p.copy() for p in dataset.pictures]
    rng = np.random.default_rng(5)
    scenes = Scenes(dataset, 96, 1, 0)
    for _ in range(40):
        scenes.composed(rng)
    assert all((a == b).all() for a, b in zip(before, dataset.pictures, strict=True))


def test_each_scene_comes_again_as_its_mirror_image() -> None:
    stream = iter(Scenes(boxed_dataset(), 96, 4, 1))
    first, second = next(stream), next(stream)
    for i in range(2):
        seen = first[1][i][first[1][i][:, 2] > 0]
        again = second[1][2 + i][second[1][2 + i][:, 2] > 0]
        turned = torch.stack([96 - seen[:, 2], seen[:, 1], 96 - seen[:, 0], seen[:, 3]], -1)
        assert torch.allclose(turned, again, atol=1e-4)


def test_a_scene_mirrored_twice_is_the_scene() -> None:
    rng = np.random.default_rng(4)
    picture, faces, ignored = Scenes(boxed_dataset(), 96, 1, 0).composed(rng)
    cells = sum((96 // stride) ** 2 for stride in (8, 16, 32))
    lesson = rng.uniform(0, 96, (cells, 5)).astype(np.float32)
    once = mirrored_scene((picture, faces, ignored, lesson), 96)
    twice = mirrored_scene(once, 96)
    assert not (once[0] == picture).all()
    for before, after in zip((picture, faces, ignored, lesson), twice, strict=True):
        assert after is not None
        np.testing.assert_allclose(np.asarray(before), np.asarray(after), atol=1e-4)


def test_a_teacher_is_asked_about_the_scene_before_the_camera_spoils_it() -> None:
    cells = sum((96 // stride) ** 2 for stride in (8, 16, 32))
    asked: list[NDArray[np.uint8]] = []

    def teach(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        asked.append(picture.copy())
        return np.full((cells, 5), len(asked), np.float32)

    pictures, _, _, lessons = next(iter(Scenes(boxed_dataset(), 96, 4, 1, lambda: teach)))
    assert lessons.shape == (4, cells, 5)
    assert [int(lesson[0, 0]) for lesson in lessons] == [1, 2, 3, 4]
    assert any((a != p.numpy()).any() for a, p in zip(asked, pictures, strict=True))
