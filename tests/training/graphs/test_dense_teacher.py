"""What a teacher of YuNet's shape says, read off a network whose answer is known."""

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from training.errors import MissingDataError
from training.graphs.dense_teacher import DenseTeacher

SIZE = 64
_SAID = {"cls": [0.81], "obj": [1.0], "bbox": [0.5, 0.25, 0.0, np.log(2.0)], "kps": [0.0] * 10}


def released(folder: Path) -> Path:
    """A network with YuNet's twelve outputs: one face at the stride-16 cell of column 2, row 1."""
    picture = ops.parameter([-1, 3, -1, -1], np.float32, name="input")
    nothing = ops.multiply(
        ops.reduce_max(picture, np.array([0, 1, 2, 3]), keep_dims=False), np.float32(0)
    )
    outputs = []
    for kind, said in _SAID.items():
        for stride in (8, 16, 32):
            cells = (SIZE // stride) ** 2
            values = np.zeros((1, cells, len(said)), np.float32)
            if stride == 16:
                values[0, SIZE // stride + 2] = said
            output = ops.add(ops.constant(values), nothing).output(0)
            output.get_tensor().set_names({f"{kind}_{stride}"})
            outputs.append(output)
    path = folder / "teacher.xml"
    openvino.save_model(openvino.Model(outputs, [picture]), path, compress_to_fp16=False)
    return path


def test_a_cell_is_read_as_its_release_reads_it(tmp_path: Path) -> None:
    lesson = DenseTeacher(released(tmp_path), SIZE)(np.zeros((SIZE, SIZE, 3), np.uint8))
    assert lesson.shape == (64 + 16 + 4, 5)
    best = int(lesson[:, 0].argmax())
    assert best == 64 + 6
    # The root of 0.81 times 1; centre 2.5 and 1.25 cells, 16 wide and 32 high.
    np.testing.assert_allclose(lesson[best], [0.9, 32.0, 4.0, 48.0, 36.0], rtol=1e-5)
    assert (lesson[np.arange(len(lesson)) != best, 0] == 0).all()


def test_a_teacher_that_is_not_there_is_named_with_the_option() -> None:
    with pytest.raises(MissingDataError, match=r"nowhere\.onnx.*--teacher"):
        DenseTeacher(Path("nowhere.onnx"), SIZE)
