"""The sound of the beep."""

import io
import wave

import numpy as np

from dashboard.panels.status_bar import SAMPLE_RATE, beep


def test_the_beep_is_a_short_wav_that_can_be_heard_and_does_not_click() -> None:
    with wave.open(io.BytesIO(beep())) as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        assert sound.getframerate() == SAMPLE_RATE
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(float)
    assert 0.3 < samples.size / SAMPLE_RATE < 1.0
    assert 0.4 < np.abs(samples).max() / 32767 < 0.9
    assert abs(samples[0]) < 400
    assert abs(samples[-1]) < 400
    loudest = np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE)[np.abs(np.fft.rfft(samples)).argmax()]
    assert 800 < loudest < 1000
