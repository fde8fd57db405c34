"""A small window that shows the camera's picture and takes a face's label from the keyboard."""

import tkinter
from contextlib import suppress
from typing import Self

import cv2
import numpy as np
from PIL import Image, ImageTk

from training.errors import ScreenError
from training.graphs.face_finder import Face
from training.preparing.collect import Choice
from training.preparing.frames import Frame
from training.records.pictures import Pixels

KEYS = {
    "m": Choice.WITH_MASK,
    "n": Choice.WITHOUT_MASK,
    "i": Choice.INCORRECT_MASK,
    "space": Choice.SKIP,
    "s": Choice.SKIP,
    "q": Choice.QUIT,
    "Escape": Choice.QUIT,
}
"""The choice for each key, by Tk's name of the key (keysym)."""

LEGEND = "m: mask   n: no mask   i: worn wrongly   s: skip   q: quit"
_LARGEST = 960


class LabelWindow:
    """A window of Tk, which comes with Python, so that OpenCV's windows are not needed.

    Attributes:
        window: Tk's window.

    Raises:
        ScreenError: No window can be opened.
    """

    def __init__(self) -> None:
        try:
            self.window = tkinter.Tk()
        except tkinter.TclError as error:
            raise ScreenError(
                f"no window can be opened here ({error}); give the label with --label, or run it "
                "where there is a screen"
            ) from error
        self.window.title("Faces to collect")
        self._picture = tkinter.Label(self.window)
        self._words = tkinter.Label(self.window, font=("TkDefaultFont", 14))
        self._picture.pack()
        self._words.pack()
        tkinter.Label(self.window, text=LEGEND).pack()
        self._photo: ImageTk.PhotoImage | None = None
        # A variable of Tk, because the window goes on working while the program waits for it. Empty
        # means that no key was pressed.
        self._key = tkinter.StringVar(self.window)
        self.window.bind("<Key>", self._pressed)
        self.window.protocol("WM_DELETE_WINDOW", self._closed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # The window does not exist any more if its user closed it.
        with suppress(tkinter.TclError):
            self.window.destroy()

    def _pressed(self, event: "tkinter.Event[tkinter.Misc]") -> None:
        if event.keysym in KEYS:
            self._key.set(KEYS[event.keysym])

    def _closed(self) -> None:
        self._key.set(Choice.QUIT)

    def _draw(self, picture: Pixels, face: Face | None, words: str) -> None:
        drawn = picture.copy()
        if face is not None:
            x0, y0, x1, y1 = (round(v) for v in face.box)
            cv2.rectangle(drawn, (x0, y0), (x1, y1), (80, 175, 76), max(2, drawn.shape[1] // 300))
        scale = min(1.0, _LARGEST / max(drawn.shape[:2]))
        small = cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        shown = Image.fromarray(np.ascontiguousarray(small[:, :, ::-1]))
        self._photo = ImageTk.PhotoImage(shown, master=self.window)
        self._picture.configure(image=self._photo)
        self._words.configure(text=words)
        self.window.update()

    def show(self, frame: Frame, face: Face | None, words: str) -> bool:
        """Show a frame; return False if somebody pressed quit or closed the window."""
        self._draw(frame.picture, face, words)
        return self._key.get() != Choice.QUIT

    def choose(self, frame: Frame, face: Face, *, live: bool) -> Choice:
        """Return the choice for a face, from the key that somebody pressed.

        A camera does not wait, and a face without a key is skipped. A file waits for a key.

        Args:
            frame: The frame.
            face: The face in it.
            live: Whether the next frame does not wait.

        Returns:
            The choice.
        """
        if not live:
            self._key.set("")
        self._draw(frame.picture, face, "which is it?")
        if not live and not self._key.get():
            self.window.wait_variable(self._key)
        choice = Choice(self._key.get() or Choice.SKIP)
        self._key.set("")
        return choice
