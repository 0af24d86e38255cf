"""Find a recording again at another gain, cut elsewhere, resampled, coded anew or with faint noise.

Candidates come from one matrix product: a stretch of the one recording against all stretches of the others,
in log energies of bands that every channel lets through. Whether a candidate is the same recording is decided
by its wave: two takes of a word by one speaker never agree in their phases for long.
"""

import numpy as np
from scipy import fft

RATE_HZ = 8000
LOW_HZ, HIGH_HZ = 300, 2800  # what telephones, low rates and codecs leave
BANDS = 14
WINDOW, SHIFT, NUM_FFT = 200, 80, 256
FLOOR = 1e-3  # of the strongest band: 30 dB below it all is silence, whoever made it
STRETCH = 8  # frames; of a longer one a short word that lost its first 30 ms has too little left
LIKELY = 0.7  # correlation of two stretches from which a closer look is worth it
FLATTEN = 0.6  # exponent on the magnitude spectrum, lest one strong harmonic decide (two takes of a vowel)
OVERLAP = 0.5  # part of both recordings' energy that must lie one upon the other
FINE = 4  # lags a sample
PROMISING = 0.5  # correlation at whole samples from which they are worth it


def band_energies(samples):
    """Compute floored log energies, float32 (T, BANDS), of samples at RATE_HZ, some silence at both ends."""
    samples = np.pad(samples, (0, max(0, WINDOW - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::SHIFT] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(frames, NUM_FFT)) ** 2 @ _filters()
    floor = FLOOR * power.max() + 1e-20
    return np.pad(
        np.log(power + floor), ((STRETCH // 2, STRETCH // 2), (0, 0)), constant_values=np.log(floor)
    ).astype(np.float32)


def _filters():
    """Make triangles of equal width on the mel scale, (NUM_FFT // 2 + 1, BANDS)."""

    def mel(hz):
        return 1127 * np.log1p(hz / 700)

    place = mel(np.fft.rfftfreq(NUM_FFT, 1 / RATE_HZ))[:, None]
    edges = np.linspace(mel(LOW_HZ), mel(HIGH_HZ), BANDS + 2)
    width = edges[1] - edges[0]
    return np.maximum(0, np.minimum(place - edges[:-2], edges[2:] - place) / width)


def stretches(frames):
    """Cut all stretches of a recording's frames (T, D): float32 (T', STRETCH * D) of mean 0 and length 1."""
    frames = np.pad(frames, ((0, max(0, STRETCH - len(frames))), (0, 0)), mode="edge")
    rows = np.lib.stride_tricks.sliding_window_view(frames, STRETCH, axis=0).reshape(
        len(frames) - STRETCH + 1, -1
    )
    rows = rows - rows.mean(axis=1, keepdims=True)
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-10)).astype(np.float32)


def middle_stretch(frames):
    """Take the stretch around the frame before which half of what varies has happened: (STRETCH * D,)."""
    change = np.cumsum(np.abs(frames - frames[0]).sum(axis=1))
    start = int(np.searchsorted(change, change[-1] / 2)) - STRETCH // 2
    rows = stretches(frames)
    return rows[min(max(start, 0), len(rows) - 1)]


def candidates(known, asked, most=8, chunk=20_000):
    """Find which of the `known` recordings each of the `asked` may be.

    Parameters
    ----------
    known, asked : list of numpy.ndarray
        Their frames (T, D).
    most : int
        Candidates for each of `asked`.
    chunk : int
        Stretches that are multiplied at once; bounds the memory.

    Returns
    -------
    list of (int, int)
        Indices into `known` and `asked`: for each of `asked` the `most` likeliest, those that correlate by
        less than LIKELY left out.
    """
    wanted = np.array([middle_stretch(frames) for frames in asked]).T
    best = np.full((len(known), len(asked)), -1.0, dtype=np.float32)
    rows, owners, size = [], [], 0
    for index, frames in enumerate(known):
        rows.append(stretches(frames))
        owners.append(index)
        size += len(rows[-1])
        if size >= chunk or index == len(known) - 1:
            starts = np.cumsum([0, *map(len, rows[:-1])])
            best[owners] = np.maximum.reduceat(np.concatenate(rows) @ wanted, starts, axis=0)
            rows, owners, size = [], [], 0
    order = np.argsort(-best, axis=0, kind="stable")[:most]
    return [(int(i), j) for j in range(len(asked)) for i in order[:, j] if best[i, j] >= LIKELY]


def band_wave(samples):
    """Filter samples (N,) for `same_wave`: the band that all channels share, strong harmonics held down.

    Returns
    -------
    numpy.ndarray
        float32 (N,)
    """
    size = fft.next_fast_len(len(samples), real=True)
    hz = np.fft.rfftfreq(size, 1 / RATE_HZ)
    spectrum = fft.rfft(samples, size) * ((hz >= LOW_HZ) & (hz <= HIGH_HZ))
    spectrum *= np.maximum(np.abs(spectrum), 1e-10) ** (FLATTEN - 1)
    return fft.irfft(spectrum, size)[: len(samples)].astype(np.float32)


def same_wave(a, b):
    """Score how far two waves (N,) and (M,) are one, 0 to 1: the |correlation| at the best lag."""
    a, b = (a, b) if len(a) >= len(b) else (b, a)
    lags = np.arange(-(len(b) // 2), len(a) - len(b) // 2)
    start, end = np.maximum(lags, 0), np.minimum(lags + len(b), len(a))
    sums = [np.concatenate([[0.0], np.cumsum(wave.astype(np.float64) ** 2)]) for wave in (a, b)]
    of_a, of_b = sums[0][end] - sums[0][start], sums[1][end - lags] - sums[1][start - lags]
    enough = (of_a > OVERLAP * sums[0][-1]) & (of_b > OVERLAP * sums[1][-1])
    if not enough.any():
        return 0.0
    size = fft.next_fast_len(len(a) + len(b), real=True)
    size += size % 2
    product = fft.rfft(a, size) * np.conj(fft.rfft(b, size))
    scale = np.sqrt(of_a[enough] * of_b[enough])
    for fine in (1, FINE):  # between the samples only where it is worth it
        peaks = np.abs(fft.irfft(product, size * fine) * fine).reshape(-1, fine).max(axis=1)
        found = min(1.0, float((peaks[lags[enough]] / scale).max()))
        if found < PROMISING:
            break
    return found


def same_frames(a, b):
    """Score how far two matrices are one, of which only whole frames may be missing.

    Parameters
    ----------
    a, b : numpy.ndarray
        Features (T, D) and (U, D).

    Returns
    -------
    float
        Correlation at the best lag, at least 0.
    """
    a, b = (a, b) if len(a) >= len(b) else (b, a)
    best = 0.0
    for lag in range(-(len(b) // 4), len(a) - len(b) + len(b) // 4 + 1):
        start, end = max(lag, 0), min(lag + len(b), len(a))
        x, y = a[start:end], b[start - lag : end - lag]
        x, y = (x - x.mean(axis=0)).ravel(), (y - y.mean(axis=0)).ravel()
        best = max(best, float(x @ y) / max(float(np.linalg.norm(x) * np.linalg.norm(y)), 1e-10))
    return best
