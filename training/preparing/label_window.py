"""A small window that shows what the camera sees, and takes the key that says a face's label."""

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
"""Tk's names of keys (keysym) and what each says."""

LEGEND = "m: mask   n: no mask   i: worn wrongly   s: skip   q: quit"
_LARGEST = 960


class LabelWindow:
    """A window of Tk, which comes with Python; no OpenCV with windows is needed.

    Attributes:
        window: Of Tk.

    Raises ScreenError where none can be opened.
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
        # Of Tk, so that it can be waited for while the window stays alive; empty: no key yet.
        self._key = tkinter.StringVar(self.window)
        self.window.bind("<Key>", self._pressed)
        self.window.protocol("WM_DELETE_WINDOW", self._closed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # It is gone already where its user closed it and the process is ending.
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
        """Show a frame; False where somebody has pressed quit or closed the window."""
        self._draw(frame.picture, face, words)
        return self._key.get() != Choice.QUIT

    def choose(self, frame: Frame, face: Face, *, live: bool) -> Choice:
        """The key that was pressed for a face.

        A camera goes on, and a face without a key is passed over; a file waits for a key.
        """
        if not live:
            self._key.set("")
        self._draw(frame.picture, face, "which is it?")
        if not live and not self._key.get():
            self.window.wait_variable(self._key)
        choice = Choice(self._key.get() or Choice.SKIP)
        self._key.set("")
        return choice
