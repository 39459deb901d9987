"""Integrated loudness (EBU R 128, ITU-R BS.1770-4): channels of samples in, LUFS out.

The K weighting is applied by overlap-save with the response of its two filters; an impulse response
is over after a tenth of a second. Takes blocks of any length; knows nothing of decoding.
"""

import numpy as np
from numpy.typing import NDArray

from deployments.video.analysis.block_energy import BlockSums

OFFSET = -0.691
ABSOLUTE, RELATIVE = -70.0, -10.0  # gates, LUFS and LU
PER_S, IN_BLOCK = 10, 4  # blocks of 400 ms, a new one every 100 ms
SETTLED_S = 0.1
SURROUND = 1.41
SHELF = (1681.974450955533, 3.999843853973347, 0.7071752369554196)  # Hz, dB, Q
HIGH_PASS = (38.13547087602444, 0.5003270373238773)  # Hz, Q

Block = NDArray[np.float32]  # channels, samples


def weight(channel: str) -> float:
    """How much a channel counts, by its name in ffmpeg's layouts."""
    if channel.startswith("LFE"):
        return 0.0
    return SURROUND if channel[:2] in ("BL", "BR", "SL", "SR", "BC") else 1.0


class LoudnessMeter:
    """`weights` has a value for each channel; `rate` is in Hz."""

    def __init__(self, rate: int, weights: tuple[float, ...]) -> None:
        self._weights = np.array(weights, np.float32)
        self._settled = round(SETTLED_S * rate)
        self._size = 1 << (3 * self._settled - 1).bit_length()
        self._response = k_weighting(rate, self._size).astype(np.complex64)
        self._kept: Block = np.zeros((len(weights), self._settled), np.float32)
        self._rate = rate
        self._sums = BlockSums(rate, PER_S)

    def push(self, block: Block) -> None:
        self._kept = np.concatenate((self._kept, block), axis=1)
        while self._kept.shape[1] >= self._size:
            self._weigh(self._kept[:, : self._size])
            self._kept = self._kept[:, self._size - self._settled :]

    def integrated(self) -> float | None:
        """LUFS of all that was pushed; None if nothing of it can be heard. Ends the measurement."""
        left = self._kept.shape[1] - self._settled
        padded = np.pad(self._kept, ((0, 0), (0, self._size - self._kept.shape[1])))
        self._weigh(padded, left)
        return gated_loudness(np.array(self._sums.whole) * PER_S / self._rate)

    def _weigh(self, block: Block, count: int | None = None) -> None:
        spectrum = np.fft.rfft(block, axis=1) * self._response
        weighted = np.fft.irfft(spectrum, self._size, axis=1)[:, self._settled :]
        self._sums.push(self._weights @ np.square(weighted[:, :count]))


def gated_loudness(power: NDArray[np.float64]) -> float | None:
    """`power` is the weighted mean square of each 100 ms."""
    if power.size < IN_BLOCK:
        return None
    blocks = np.convolve(power, np.full(IN_BLOCK, 1 / IN_BLOCK), "valid")
    heard = blocks[blocks > _power(ABSOLUTE)]
    if not heard.size:
        return None
    heard = heard[heard > _power(_lufs(float(heard.mean())) + RELATIVE)]
    return _lufs(float(heard.mean()))


def _lufs(power: float) -> float:
    return OFFSET + 10 * float(np.log10(power))


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - OFFSET) / 10))


def k_weighting(rate: int, size: int) -> NDArray[np.complex128]:
    """The response at the frequencies of a real FFT of `size`: a shelf that lifts what a head does,
    and a high pass, both by the bilinear transform of their analogue forms."""
    z = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    frequency, gain, q = SHELF
    k, high = np.tan(np.pi * frequency / rate), 10 ** (gain / 20)
    band = high**0.4996667741545416
    shelf = _biquad(
        z, (high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k), k, q
    )
    frequency, q = HIGH_PASS
    k = np.tan(np.pi * frequency / rate)
    scale = 1 + k / q + k * k
    return shelf * _biquad(z, (scale, -2 * scale, scale), k, q)


def _biquad(
    z: NDArray[np.complex128], b: tuple[float, float, float], k: float, q: float
) -> NDArray[np.complex128]:
    a = (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k)
    return (b[0] + b[1] * z + b[2] * z**2) / (a[0] + a[1] * z + a[2] * z**2)
