"""
From sound to features
======================

A word is some thousand samples; a recogniser sees forty numbers every ten milliseconds. Here the way from one
to the other is walked by hand, and in the end one line of asrkit gives the same numbers.

**Topics:** short-time analysis, energy and zero crossings, endpoint detection, windows and leakage, the
discrete Fourier transform, the mel scale and its filters, cepstra and the discrete cosine transform, deltas,
cepstral mean normalisation, convolutional distortion.
"""

import matplotlib.pyplot as plt
import numpy as np
import speech
import style

import asrkit

style.use()
rate_hz = speech.RATE_HZ
(recording,) = speech.recordings(1, ("six",), first=8)
rng = np.random.default_rng(0)
samples = np.pad(recording.samples, round(0.35 * rate_hz))
rumble = np.convolve(
    rng.normal(size=len(samples)), np.hanning(20), "same"
)  # a room has mostly low frequencies
samples += (0.01 * rumble / rumble.std()).astype(np.float32)

# %%
# Where is the word?
# ------------------
# Cut the sound into frames of 25 ms, one every 10 ms. Two numbers of a frame find most of speech:
#
# .. math:: E = 10 \log_{10} \frac1N \sum_n x_n^2 \qquad Z = \tfrac12 \sum_n |\operatorname{sgn} x_n - \operatorname{sgn} x_{n-1}|
#
# the energy, and how often the sign changes. The vowel is easily found. But look at the ends: the two *s*
# rise little above the room's rumble, and are half of the word. Their sign changes many times as often,
# though. So Rabiner and Sambur (1975) found words by the energy, and their weak ends by zero crossings;
# ``asrkit.find_speech`` looks, for the ends, at each frequency band over that band's own noise.

length, shift = 25 * rate_hz // 1000, 10 * rate_hz // 1000
starts = np.arange(0, len(samples) - length + 1, shift)
frames = samples[starts[:, None] + np.arange(length)].astype(np.float64)
energy_db = 10 * np.log10((frames**2).mean(axis=1))
crossings = (np.diff(np.sign(frames), axis=1) != 0).sum(axis=1) / (length / rate_hz)  # a second
start_s, end_s = asrkit.find_speech(samples, rate_hz, padding_ms=0.0)

seconds, frame_s = np.arange(len(samples)) / rate_hz, (starts + length / 2) / rate_hz
figure, axes = plt.subplots(3, sharex=True, figsize=(8, 6))
axes[0].plot(seconds, samples, linewidth=0.6, color=style.BLUE)
axes[0].set(ylabel="amplitude", title=f'"{recording.word}": find_speech says {start_s:.2f} to {end_s:.2f} s')
axes[1].plot(frame_s, energy_db, color=style.ORANGE)
axes[1].set(ylabel="energy (dB)")
axes[2].plot(frame_s, crossings / 1000, color=style.GREEN)
axes[2].set(ylabel="sign changes\n(1000 a second)", xlabel="time (s)")
for axis in axes:
    axis.axvspan(start_s, end_s, color=style.SKY, alpha=0.2)

# %%
# One frame, and why it gets a window
# -----------------------------------
# The Fourier transform takes a frame for one period of something endless. Where its end does not meet its
# beginning, that is a jump, and a jump has all frequencies. So a tone of 1000 Hz, cut out by a rectangular
# window, has side lobes everywhere, the first only 13 dB below it, and weak sounds drown in those of loud
# ones. A window that fades at both ends, here Kaldi's "povey" :math:`w_n = \left(\frac12 - \frac12
# \cos\frac{2\pi n}{N-1}\right)^{0.85}`, pays with a wider main lobe for much lower side lobes.
#
# Before that, two small things: the frame's mean is taken away (microphones have an offset), and
# pre-emphasis, :math:`y_n = x_n - 0.97\,x_{n-1}`, lifts the high frequencies that the voice has little of.

loudest = int(energy_db.argmax())
frame = frames[loudest] * 32768  # on the scale of 16-bit samples, as Kaldi
window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / (length - 1))) ** 0.85
frame = frame - frame.mean()
emphasised = frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])
num_fft = 256  # the next power of two
hz = np.fft.rfftfreq(num_fft, 1 / rate_hz)

figure, axes = plt.subplots(1, 2, figsize=(9, 4))
milliseconds = np.arange(length) / rate_hz * 1000
axes[0].plot(milliseconds, frame / 1000, color="0.6", label="the frame")
axes[0].plot(milliseconds, frame * window / 1000, color=style.BLUE, label="windowed")
axes[0].set(xlabel="time (ms)", ylabel="amplitude (1000)", title="One frame of the vowel")
axes[0].set_ylim(top=1.35 * frame.max() / 1000)
axes[0].legend(loc="upper right", ncols=2)
tone = np.cos(2 * np.pi * 1000 * np.arange(length) / rate_hz)
fine_hz, side_lobe_db = np.fft.rfftfreq(1 << 14, 1 / rate_hz), {}
for name, shape, color in (("rectangular", np.ones(length), "0.6"), ("povey", window, style.BLUE)):
    gain = np.abs(np.fft.rfft(tone * shape, 1 << 14)) / (shape.sum() / 2)
    axes[1].plot(fine_hz / 1000, 20 * np.log10(gain + 1e-6), color=color, label=name, linewidth=1.4)
    falls = np.flatnonzero((np.diff(gain) < 0) & (fine_hz[1:] > 1000))
    valley = falls[np.flatnonzero(np.diff(falls) > 1)[0]]  # where the main lobe ends
    side_lobe_db[name] = float(20 * np.log10(gain[valley + 1 :].max()))
axes[1].set(xlim=(0.5, 1.5), ylim=(-70, 12), xlabel="frequency (kHz)", ylabel="power (dB)")
axes[1].set_title("A tone of 1 kHz, through two windows")
axes[1].legend(loc="upper right", ncols=2)

# %%
# Mel filters
# -----------
# The ear hears pitches, not hertz: :math:`\operatorname{mel}(f) = 1127 \ln(1 + f/700)`. 23 triangles that are
# equally wide in mel, so wider and wider in hertz, sum up the power; their logarithms are the frame's
# filterbank features.


def mel(hz):
    return 1127 * np.log(1 + hz / 700)


edges = np.linspace(mel(20), mel(rate_hz / 2), 23 + 2)
filters = np.maximum(0, 1 - np.abs(mel(hz[:-1, None]) - edges[1:-1]) / (edges[1] - edges[0]))  # (128, 23)
power = np.abs(np.fft.rfft(emphasised * window, num_fft)) ** 2
log_mel = np.log(power[:-1] @ filters)

figure, axes = plt.subplots(1, 2, figsize=(9, 4))
axes[0].plot(hz[:-1] / 1000, filters, linewidth=1.2)
axes[0].set(xlabel="frequency (kHz)", ylabel="weight", title="23 filters, equally wide in mel")
centers_khz = 700 * np.expm1(edges[1:-1] / 1127) / 1000
axes[1].plot(hz / 1000, np.log(power), color="0.6", label="ln power, 129 lines")
axes[1].plot(centers_khz, log_mel, "o-", color=style.BLUE, markersize=4, label="ln power of the filters, 23")
axes[1].set(xlabel="frequency (kHz)", ylabel="ln power", title="What passes them")
axes[1].legend()

# %%
# Cepstra
# -------
# Neighbouring filters say nearly the same. The discrete cosine transform asks instead how much there is of
# each slow wave along the frequency axis, and the first thirteen answers are enough:
#
# .. math:: c_i = \sqrt{\tfrac{2}{23}} \sum_{j=1}^{23} \ln m_j \cos\frac{\pi i (j - 1/2)}{23}
#
# :math:`c_0` is the loudness, :math:`c_1` whether low or high frequencies have more, and so on. What was left
# out, the fast waves, are the harmonics of the voice: who speaks, and how high. Transforming back shows what
# is kept, the envelope. (Then cepstrum *i* is multiplied by :math:`1 + 11 \sin(\pi i / 22)`, the lifter,
# which makes all about as large.)

order = np.arange(23)
cosines = np.sqrt(2 / 23) * np.cos(np.pi * order * (np.arange(23)[:, None] + 0.5) / 23)  # (23 filters, 23)
cosines[:, 0] /= np.sqrt(2)  # orthonormal
cepstra = log_mel @ cosines
lifter = 1 + 11 * np.sin(np.pi * np.arange(13) / 22)
by_hand = cepstra[:13] * lifter

figure, axes = plt.subplots(1, 2, figsize=(9, 4))
for i, color in ((1, style.BLUE), (2, style.ORANGE), (3, style.GREEN)):
    axes[0].plot(centers_khz, cosines[:, i], color=color, label=f"$c_{i}$")
axes[0].set(xlabel="frequency (kHz)", ylabel="weight of a filter", title="What the first cepstra look for")
axes[0].set_ylim(top=0.4)
axes[0].legend(loc="upper right", ncols=3)
axes[1].plot(centers_khz, log_mel, "o", color="0.5", markersize=5, label="the filters")
for count, color in ((3, style.SKY), (13, style.BLUE)):
    axes[1].plot(
        centers_khz, cepstra[:count] @ cosines[:, :count].T, color=color, label=f"from {count} cepstra"
    )
axes[1].set(xlabel="frequency (kHz)", ylabel="ln power", title="What they keep")
axes[1].set_ylim(top=log_mel.max() + 0.4 * np.ptp(log_mel))
axes[1].legend(loc="upper right")

# %%
# All of it in one line
# ---------------------
# and the same numbers, up to the rounding of 32-bit floats:

frontend = asrkit.FrontEnd.of("mfcc", sample_rate_hz=rate_hz, use_energy=False, delta_order=2)
feats = frontend.features(samples, endpoint=False)  # (T, 39)
difference = np.abs(feats[loudest, :13] - by_hand).max()
print(
    f"{feats.shape[0]} frames of {feats.shape[1]}; by hand and by asrkit: they differ by {difference:.1e} at most"
)

# %%
# Deltas
# ------
# A frame does not know where it goes. The slope of a line through five neighbouring frames does:
#
# .. math:: \Delta_t = \frac{\sum_{k=1}^{2} k\,(c_{t+k} - c_{t-k})}{2 \sum_{k=1}^{2} k^2}
#
# and the same of the deltas is the acceleration.

padded = np.pad(feats[:, :13].astype(np.float64), ((2, 2), (0, 0)), mode="edge")
deltas = (padded[3:-1] - padded[1:-3] + 2 * (padded[4:] - padded[:-4])) / 10
delta_difference = np.abs(deltas - feats[:, 13:26]).max()

figure, axes = plt.subplots(3, sharex=True, figsize=(8, 7))
extent = (frame_s[0], frame_s[-1])
image = axes[0].imshow(feats[:, 1:13].T, origin="lower", aspect="auto", extent=(*extent, 0.5, 12.5))
axes[0].set(ylabel="cepstrum", title="Cepstra 1 to 12: the word as a recogniser sees it")
figure.colorbar(image, ax=axes[0], label="value")
for axis, name, first in ((axes[1], "$c_1$", 1), (axes[2], r"$\Delta c_1$", 14)):
    axis.plot(frame_s, feats[:, first], color=style.BLUE)
    axis.axhline(0, color="0.7", linewidth=0.8)
    axis.axvspan(start_s, end_s, color=style.SKY, alpha=0.2)
    axis.set(ylabel=name)
axes[2].set(xlabel="time (s)")

# %%
# Two microphones
# ---------------
# A microphone, a telephone line, a room: all multiply the spectrum, :math:`|Y(f)|^2 = |H(f)|^2\,|X(f)|^2`.
# After the logarithm that is a sum, and in the cepstra one constant vector that is added to every frame. So
# the mean over the recording takes it away again (CMN; with the variance CMVN). Here the same word is heard
# by a second, dull microphone, :math:`y_n = x_n + 0.8\,x_{n-1}`:

dull = (samples + 0.8 * np.concatenate([[0], samples[:-1]])).astype(np.float32)
distance = {}
figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharex=True)
for axis, cmvn in zip(axes, ("none", "utterance")):
    settings = {"sample_rate_hz": rate_hz, "use_energy": False, "delta_order": 0, "cmvn": cmvn}
    heard = [asrkit.FrontEnd.of("mfcc", **settings).features(own, endpoint=False) for own in (samples, dull)]
    distance[cmvn] = float(np.sqrt(((heard[0] - heard[1]) ** 2).sum(axis=1).mean()))
    axis.plot(frame_s, heard[0][:, 1], color=style.SKY, linewidth=4, label="first microphone")
    axis.plot(frame_s, heard[1][:, 1], color=style.RED, linestyle="--", label="second, dull")
    axis.set(xlabel="time (s)", title=f"cmvn={cmvn}: {distance[cmvn]:.1f} apart")
axes[0].set(ylabel="$c_1$")
axes[0].set_ylim(top=axes[0].get_ylim()[1] + 12)
axes[0].legend(loc="upper right", ncols=2)

# %%
# The constant that the second microphone adds can be said beforehand: the cepstra of :math:`\ln |H|^2`, of
# its filter alone. It is not *quite* what is found, since :math:`H` is not constant within a mel filter and a
# window cuts the echo off.

response = np.abs(1 + 0.8 * np.exp(-2j * np.pi * hz[:-1] / rate_hz)) ** 2
expected = np.log(response @ filters / filters.sum(axis=0)) @ cosines[:, :13] * lifter
plain = asrkit.FrontEnd.of("mfcc", sample_rate_hz=rate_hz, use_energy=False, delta_order=0)
found = np.mean(
    plain.features(dull, endpoint=False) - plain.features(samples, endpoint=False), axis=0, dtype=np.float64
)

figure, axis = plt.subplots(figsize=(7, 3.5))
axis.bar(np.arange(13) - 0.2, expected, 0.4, label=r"expected, of $\ln |H|^2$", color=style.SKY)
axis.bar(np.arange(13) + 0.2, found, 0.4, label="found, mean over the frames", color=style.BLUE)
axis.set(xlabel="cepstrum", ylabel="shift of its value", title="What a microphone adds to every frame")
axis.legend()

# %%
# In numbers
# ----------

bits = 16 * rate_hz
kept = cepstra[:13] @ cosines[:, :13].T
explained = 1 - np.var(log_mel - kept) / np.var(log_mel)
print(
    f"sound: {rate_hz} samples of 16 bits = {bits / 1000:.0f} kbit/s; features: 100 frames of 13 numbers a second"
)
print(
    f"highest side lobe: {side_lobe_db['rectangular']:.1f} dB rectangular, {side_lobe_db['povey']:.1f} dB povey"
)
print(f"13 of 23 cepstra keep {100 * explained:.1f} % of the variance of this frame's filterbank")
print(f"deltas by hand and by asrkit: they differ by {delta_difference:.1e} at most")
print(f"two microphones: {distance['none']:.2f} apart, {distance['utterance']:.2f} after CMN")
print(f"word from {start_s:.2f} to {end_s:.2f} s of {len(samples) / rate_hz:.2f} s")

# %%
# Try next
# --------
# * Let the second microphone also be louder, ``3 * dull``: which cepstrum moves, and does CMN see it?
# * Add noise, ``samples + 0.02 * rng.normal(size=len(samples))``, instead of a filter. Is the shift still a
#   constant? Why can't a mean take it away?
# * How few mel filters may there be until two vowels look alike? (``num_mel_bins=``, ``num_ceps=``)

plt.show()
