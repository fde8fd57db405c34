import torch

from training.networks.assignment import assign, detection_loss, generalised_iou
from training.networks.detector import anchor_points, decode

ANCHORS = anchor_points(64, 64)


def boxes_like(face: list[float]) -> torch.Tensor:
    return torch.tensor(face).repeat(1, len(ANCHORS), 1)


def raw_like(face: list[float]) -> torch.Tensor:
    """The raw boxes that decode to one face at every anchor point."""
    x0, y0, x1, y1 = face
    x, y, stride = ANCHORS.unbind(-1)
    size = torch.tensor([x1 - x0, y1 - y0]) / (3 * stride[:, None])
    centre = torch.stack([((x0 + x1) / 2 - x) / stride, ((y0 + y1) / 2 - y) / stride], -1)
    raw = torch.cat([centre, size.log()], -1)[None]
    assert torch.allclose(decode(raw, ANCHORS), boxes_like(face), atol=1e-3)
    return raw


def test_anchors_inside_the_face_answer_for_it_and_no_others() -> None:
    face = [8.0, 8.0, 40.0, 40.0]
    index, quality = assign(
        torch.zeros(1, len(ANCHORS)),
        boxes_like(face),
        ANCHORS,
        torch.tensor([[face, [0, 0, 0, 0]]]),
    )
    chosen = ANCHORS[index[0] == 0]
    assert 1 <= len(chosen) <= 10
    assert ((chosen[:, :2] >= 8) & (chosen[:, :2] <= 40)).all()
    assert torch.allclose(quality[index >= 0], torch.ones(1))
    assert not quality[index < 0].any()


def test_a_picture_without_faces_has_no_positive_and_no_box_loss() -> None:
    raw = torch.zeros(1, len(ANCHORS), 4)
    index, _ = assign(
        torch.zeros(1, len(ANCHORS)), decode(raw, ANCHORS), ANCHORS, torch.zeros(1, 3, 4)
    )
    assert (index == -1).all()
    quality, box = detection_loss(
        torch.zeros(1, len(ANCHORS)), raw, ANCHORS, torch.zeros(1, 3, 4), torch.zeros(1, 2, 4)
    )
    assert quality > 0
    assert box == 0


def test_what_is_seen_in_a_region_to_ignore_costs_nothing() -> None:
    logits = torch.full((1, len(ANCHORS)), -20.0)
    logits[0, (ANCHORS[:, 0] < 32) & (ANCHORS[:, 1] < 32)] = 5.0
    empty, raw = torch.zeros(1, 3, 4), torch.zeros(1, len(ANCHORS), 4)
    blamed, _ = detection_loss(logits, raw, ANCHORS, empty, torch.zeros(1, 1, 4))
    spared, _ = detection_loss(
        logits, raw, ANCHORS, empty, torch.tensor([[[0.1, 0.1, 32.0, 32.0]]])
    )
    assert blamed > 10
    assert spared < 1e-3


def test_generalised_iou_of_the_paper() -> None:
    square = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    assert generalised_iou(square, square).item() == 1
    # Apart by a gap of 2: union 8, hull 2 x 6.
    assert (
        abs(generalised_iou(square, torch.tensor([[4.0, 0.0, 6.0, 2.0]])).item() + (12 - 8) / 12)
        < 1e-6
    )


def test_what_a_teacher_sees_where_nobody_labelled_a_face_is_no_background() -> None:
    face = torch.tensor([8.0, 8.0, 40.0, 40.0])
    taught = torch.zeros(1, len(ANCHORS), 5)
    inside = ((ANCHORS[:, :2] - 24).abs() < 8).all(1)
    taught[0, inside] = torch.cat([torch.tensor([0.9]), face])
    logits = torch.full((1, len(ANCHORS)), -20.0)
    logits[0, inside] = 3.0
    nobody, nothing = torch.zeros(1, 3, 4), torch.zeros(1, 2, 4)
    blamed, _ = detection_loss(logits, raw_like(face.tolist()), ANCHORS, nobody, nothing)
    praised, box = detection_loss(
        logits, raw_like(face.tolist()), ANCHORS, nobody, nothing, taught=taught
    )
    assert praised < 0.05 * blamed
    assert box < 1e-4
    _, wrong_box = detection_loss(
        logits, raw_like([8.0, 8.0, 24.0, 24.0]), ANCHORS, nobody, nothing, taught=taught
    )
    assert wrong_box > 0.5


def test_a_known_face_stands_over_the_teachers_box_of_it() -> None:
    known, theirs = [8.0, 8.0, 40.0, 40.0], torch.tensor([8.0, 8.0, 40.0, 52.0])
    taught = torch.zeros(1, len(ANCHORS), 5)
    taught[0, ((ANCHORS[:, :2] - 24).abs() < 12).all(1)] = torch.cat([torch.tensor([0.9]), theirs])
    _, box = detection_loss(
        torch.zeros(1, len(ANCHORS)),
        raw_like(known),
        ANCHORS,
        torch.tensor([[known]]),
        torch.zeros(1, 2, 4),
        taught=taught,
    )
    assert box < 1e-4
