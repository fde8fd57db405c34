import numpy as np

from training.samples.face_shape import estimated_shape, frontal_face


def test_a_frontal_face_has_its_parts_in_order() -> None:
    shape = frontal_face()
    assert shape.shape == (68, 2)
    eyes, nose, mouth, chin = shape[36:48].mean(0), shape[30], shape[48:].mean(0), shape[8]
    assert eyes[1] < nose[1] < mouth[1] < chin[1]
    assert shape[0, 0] < shape[36, 0] < shape[45, 0] < shape[16, 0]
    np.testing.assert_allclose([eyes[0], nose[0], mouth[0], chin[0]], 0.5, atol=1e-6)


def test_landmarks_are_in_the_box_and_the_face_turns() -> None:
    box = np.array([100, 50, 200, 180], np.float32)
    shapes = np.stack([estimated_shape(box, np.random.default_rng(n)) for n in range(200)])
    middle = shapes.mean(0)
    np.testing.assert_allclose(middle[8], (150, 182.6), atol=3)
    assert shapes[:, 30, 0].std() > 2 * shapes[:, 8, 0].std()
    assert (shapes[:, :, 1] > 50 - 0.15 * 130).all()
