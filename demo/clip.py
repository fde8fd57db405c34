"""The bundled clip: a person comes to the door twice, first without a mask, then with one.

    python -m demo.clip [OUT]

The person is cut from the portrait of astronaut Eileen Collins (NASA, public domain) that
scikit-image carries as `skimage.data.astronaut()`, and walks in front of a plain wall. The mask is
drawn. The camera shakes, the light flickers and the sensor is noisy, all from a fixed seed, so the
script makes the same frames each time.
"""

from pathlib import Path
from typing import Annotated, Final

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Reals = NDArray[np.float32]

WIDTH: Final = 640
HEIGHT: Final = 480
FPS: Final = 12
SEED: Final = 20260701
PERSON_SCALE: Final = 1.55
BUNDLED: Final = Path(__file__).with_name("clip.mp4")

ABSENT_S: Final = 1.5
WALK_S: Final = 1.2
STAND_S: Final = 3.2

# Pixels of the 512 x 512 portrait: the box of the person, the mask's outline, and its ear loops.
PERSON_BOX: Final = (60, 5, 330, 420)
CERTAIN_PERSON: Final = ((222, 95, 60, 70), (222, 300, 110, 100))
# fmt: off
MASK_OUTLINE: Final = (
    (224, 107), (234, 108), (248, 113), (260, 117), (268, 121), (267, 136),
    (262, 150), (255, 166), (245, 178), (233, 186), (222, 188), (210, 185),
    (198, 177), (190, 166), (185, 152), (182, 138), (182, 121), (190, 117),
    (202, 112), (214, 108),
)
EAR_LOOPS: Final = (
    ((184, 123), (176, 117)), ((186, 152), (175, 126)),
    ((267, 123), (272, 118)), ((261, 150), (273, 128)),
)
# fmt: on
PLEATS: Final = (((187, 140), (225, 146), (264, 139)), ((189, 154), (224, 161), (259, 153)))
MASK_COLOUR: Final = (190, 150, 110)


def _person() -> tuple[Picture, Reals]:
    """Cut the person out of the portrait.

    Returns:
        The portrait, u8 [512, 512, 3] BGR, and the person's share of each pixel, f32 [512, 512]
        from 0 to 1.

    Raises:
        SystemExit: The portrait holds no person.
    """
    from skimage import data  # noqa: PLC0415 (only the development environment has it)

    portrait = np.ascontiguousarray(data.astronaut()[:, :, ::-1])  # type: ignore[no-untyped-call]
    trimap: Picture = np.full(portrait.shape[:2], cv2.GC_BGD, np.uint8)
    left, top, width, height = PERSON_BOX
    trimap[top : top + height, left : left + width] = cv2.GC_PR_BGD
    for x, y, half_width, half_height in CERTAIN_PERSON:
        cv2.ellipse(trimap, (x, y), (half_width, half_height), 0, 0, 360, cv2.GC_FGD, -1)
    # GrabCut: Rother, Kolmogorov, Blake, SIGGRAPH 2004.
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(portrait, trimap, (0, 0, 1, 1), *models, 8, cv2.GC_INIT_WITH_MASK)
    person = np.isin(trimap, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    count, regions, stats, _ = cv2.connectedComponentsWithStats(person)
    if count < 2:
        raise SystemExit("no person was found in the portrait: this scikit-image may have another")
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    alpha = (regions == largest).astype(np.float32)
    return portrait, cv2.GaussianBlur(alpha, (0, 0), 1.2)


def _with_mask(portrait: Picture) -> Picture:
    """Draw a pleated surgical mask over nose, mouth and chin."""
    outline = np.array(MASK_OUTLINE, np.int32)
    stencil = np.zeros(portrait.shape[:2], np.uint8)
    cv2.fillPoly(stencil, [outline * 16], 255, cv2.LINE_AA, 4)
    # Cloth follows the face: keep some of its light, softened.
    light = cv2.GaussianBlur(cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY), (0, 0), 7).astype(
        np.float32
    )
    light = 0.72 + 0.32 * (light / max(float(light[stencil > 0].mean()), 1.0))
    cloth = np.clip(np.array(MASK_COLOUR, np.float32) * light[:, :, None], 0, 255).astype(np.uint8)
    for pleat in PLEATS:
        line = [np.array(pleat, np.int32) * 16]
        cv2.polylines(cloth, line, False, (160, 122, 86), 2, cv2.LINE_AA, 4)
    cv2.polylines(cloth, [outline * 16], True, (214, 184, 150), 2, cv2.LINE_AA, 4)
    share = cv2.GaussianBlur(stencil, (0, 0), 0.7).astype(np.float32)[:, :, None] / 255
    masked: Picture = (portrait * (1 - share) + cloth * share).astype(np.uint8)
    for start, end in EAR_LOOPS:
        cv2.line(masked, start, end, (232, 226, 218), 1, cv2.LINE_AA)
    return masked


def _wall(random: np.random.Generator) -> Reals:
    """Return a plain wall with soft stains and light from the left, f32 [HEIGHT, WIDTH, 3]."""
    stains = cv2.resize(
        random.normal(0, 6, (6, 8)).astype(np.float32),
        (WIDTH, HEIGHT),
        interpolation=cv2.INTER_CUBIC,
    )
    light = np.linspace(1.06, 0.86, WIDTH, dtype=np.float32)[None, :]
    tone: Reals = (
        np.array((172, 178, 184), np.float32) * light[:, :, None] + stains[:, :, None]
    ).astype(np.float32)
    return tone


def _path() -> list[float | None]:
    """Return the person's place in each frame, in pixels from the middle; None for nobody."""
    away = WIDTH * 0.85
    steps = np.arange(1, round(WALK_S * FPS) + 1) / round(WALK_S * FPS)
    eased = steps * steps * (3 - 2 * steps)
    inward = [float(away * (1 - step)) for step in eased]
    return [
        *[None] * round(ABSENT_S * FPS),
        *inward,
        *[0.0] * round(STAND_S * FPS),
        *[-place for place in reversed(inward)],
    ]


def frames(seed: int = SEED) -> list[Picture]:
    """Return the frames, u8 [480, 640, 3] BGR: without a mask, then with one, then nobody."""
    random = np.random.default_rng(seed)
    portrait, alpha = _person()
    wall = _wall(random)
    clip: list[Picture] = []
    shake = np.zeros(2)
    for look in (portrait, _with_mask(portrait)):
        for step, place in enumerate(_path()):
            shake = 0.85 * shake + random.normal(0, 1.1, 2)
            scene = wall.copy()
            if place is not None:
                sway = 5 * np.sin(step / 5)
                bob = 3 * np.sin(step / 2.2) if place else 1.5 * np.sin(step / 4)
                turn = cv2.getRotationMatrix2D(
                    (222, 140), float(2.5 * np.sin(step / 9)), PERSON_SCALE
                )
                turn[0, 2] += WIDTH / 2 - 222 + place + sway + shake[0]
                turn[1, 2] += HEIGHT * 0.45 - 140 + bob + shake[1]
                person = cv2.warpAffine(
                    look,
                    turn,
                    (WIDTH, HEIGHT),
                    flags=cv2.INTER_LINEAR,
                    borderMode=cv2.BORDER_REPLICATE,
                )
                share = cv2.warpAffine(alpha, turn, (WIDTH, HEIGHT))[:, :, None]
                scene = scene * (1 - share) + person * share
            scene *= 1 + 0.015 * np.sin(step / 3)
            scene += random.normal(0, 2.0, (HEIGHT, WIDTH, 1))
            clip.append(np.clip(scene, 0, 255).astype(np.uint8))
    clip.extend(
        np.clip(wall + random.normal(0, 2.0, (HEIGHT, WIDTH, 1)), 0, 255).astype(np.uint8)
        for _ in range(FPS)
    )
    return clip


def main(out: Annotated[Path, typer.Argument(help="The file to write")] = BUNDLED) -> None:
    """Write the clip as MPEG-4, which the decoder in OpenCV reads on every machine."""
    writer = cv2.VideoWriter(str(out), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise SystemExit(f"OpenCV cannot write {out}: check that its folder can be written to")
    clip = frames()
    for frame in clip:
        writer.write(frame)
    writer.release()
    typer.echo(
        f"{out}: {len(clip)} frames, {len(clip) / FPS:.1f} s, {out.stat().st_size / 1024:.0f} KiB"
    )


if __name__ == "__main__":
    typer.run(main)
