"""
Vector quantisation
===================

Let a frame of speech, thirteen real numbers, become one of a few symbols: the number of the code vector that
lies nearest. Then a word is a row of symbols, and what lesson 11 does with symbols, counting, becomes
possible.

**Topics:** scalar and vector quantisation, nearest-neighbour and centroid condition, Lloyd's algorithm, LBG
and splitting, distortion against rate, Voronoi cells, codebook size and generalisation, symbols for discrete
HMMs.
"""

import matplotlib.pyplot as plt
import numpy as np
import speech
import style
from scipy.special import ndtri

from asrkit import study

style.use()

# %%
# One dimension first: the quantiser that Max solved
# --------------------------------------------------
# Replace every number by one of :math:`K` values :math:`m_k`, so that the mean squared error is least:
#
# .. math:: D = \frac1N \sum_n \min_k (x_n - m_k)^2
#
# Two conditions must hold in the best quantiser. Each :math:`x` goes to the nearest :math:`m_k`; each
# :math:`m_k` is the mean of what goes to it. Lloyd's algorithm makes the one true, then the other, and again.
# LBG starts with one value, the mean, splits each in two, iterates, and splits again. For a normal
# distribution the answer is known (Max, 1960): two values lie at :math:`\pm\sqrt{2/\pi}`, and :math:`D = 1 -
# 2/\pi`.

normal = ndtri((np.arange(20000) + 0.5) / 20000)  # 20000 points that lie as a normal distribution says
steps = study.lbg(normal, 16, tol=1e-6, max_iters=1000)
last = {step.size: step for step in steps}  # the last iteration of each size
scalar_distortion = {size: step.distortion for size, step in last.items()}

figure, axes = plt.subplots(1, 2, figsize=(9, 4))
x = np.linspace(-3.5, 3.5, 500)
values = np.sort(last[8].vectors.ravel())
axes[0].plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color=style.BLUE)
axes[0].vlines((values[1:] + values[:-1]) / 2, 0, 0.42, color="0.6", linestyle="--", linewidth=1)
axes[0].plot(values, np.zeros(8), "o", color=style.RED, markersize=7, clip_on=False)
axes[0].set(xlabel="x", ylabel="density", ylim=(0, 0.45), title="8 values (dots) and their cells")
bits = np.log2(sorted(scalar_distortion))
axes[1].plot(bits, 10 * np.log10(sorted(scalar_distortion.values(), reverse=True)), "o-", label="LBG")
axes[1].plot(bits, -20 * np.log10(2) * bits, "--", color="0.5", label=r"Shannon's bound, $2^{-2R}$")
panter = 10 * np.log10(np.sqrt(3) * np.pi / 2) - 20 * np.log10(2) * bits
axes[1].plot(
    bits[1:], panter[1:], ":", color=style.RED, label=r"many values: $\frac{\sqrt{3}\pi}{2} 2^{-2R}$"
)
axes[1].set(xlabel="rate R (bits a number)", ylabel="distortion (dB)", title="Each bit is worth nearly 6 dB")
axes[1].legend()

# %%
# Two dimensions: cells over two cepstra
# --------------------------------------
# The same algorithm, with vectors for values. The cells are now polygons, and where the speech is, there they
# are small. Each picture begins where the one before it ended, with every code vector split in two.

utterances = speech.features(8)
train = [own for i, own in enumerate(utterances) if i % 8 < 6]  # of eight of each word, six
held = [own for i, own in enumerate(utterances) if i % 8 >= 6]
frames = np.concatenate([own.frames for own in train]).astype(np.float64)
held_frames = np.concatenate([own.frames for own in held]).astype(np.float64)
plane = frames[:, 1:3]
plane_steps = study.lbg(plane, 16)
plane_last = {step.size: step for step in plane_steps}


def nearest(x, vectors):
    """The nearest of the code vectors (K, D) to each row of x (N, D), and its squared distance."""
    distance = ((x[:, None] - vectors) ** 2).sum(axis=2)
    return distance.argmin(axis=1), distance.min(axis=1)


low, high = plane.min(axis=0), plane.max(axis=0)
grid = np.stack(np.meshgrid(*np.linspace(low, high, 200).T), axis=-1)  # (200, 200, 2)
figure, axes = plt.subplots(2, 2, figsize=(8, 7), sharex=True, sharey=True)
for axis, size in zip(axes.flat, (2, 4, 8, 16)):
    step = plane_last[size]
    cell = nearest(grid.reshape(-1, 2), step.vectors)[0].reshape(200, 200)
    axis.scatter(*plane[::3].T, s=2, color=style.SKY, rasterized=True)
    for k in range(size):
        axis.contour(*np.moveaxis(grid, 2, 0), cell == k, [0.5], colors="0.35", linewidths=1)
    axis.plot(*step.vectors.T, "o", color=style.RED, markersize=6)
    axis.set_title(f"{size} vectors, D = {step.distortion:.0f}")
for axis in axes[1]:
    axis.set_xlabel("$c_1$")
for axis in axes[:, 0]:
    axis.set_ylabel("$c_2$")

# %%
# The distortion falls with every iteration, steeply after a split and then hardly any more. A split itself
# lowers it a little, too: of two vectors beside the old one each frame takes the nearer.

figure, axis = plt.subplots(figsize=(8, 4))
distortions = np.array([step.distortion for step in plane_steps])
sizes = np.array([step.size for step in plane_steps])
for size, color in zip((1, 2, 4, 8, 16), style.COLORS):
    some = np.flatnonzero(sizes == size)
    axis.semilogy(
        some, 100 * distortions[some] / distortions[0], "o-", color=color, markersize=4, label=f"{size}"
    )
axis.set(xlabel="Lloyd iteration", ylabel="distortion (% of the variance)", ylim=(4, 130))
axis.set_yticks([5, 10, 20, 50, 100], ["5", "10", "20", "50", "100"])
axis.set_title("LBG: every split, every iteration")
axis.legend(title="vectors", ncols=5)

# %%
# How large a codebook?
# ---------------------
# All thirteen cepstra now, distances in units of each one's standard deviation (else :math:`c_0` would have
# the say), and two kinds of frames: those that the codebook was made of, and those of recordings that it has
# not seen. The first always come nearer when vectors are added: with a vector for each frame, D is 0. The
# others come nearer, too, but less and less: what a larger codebook learns in the end is this very training
# set.

book_steps = study.lbg(frames, 256, scale=True, max_iters=10, tol=1e-2)
books = {step.size: step for step in book_steps if step.size & (step.size - 1) == 0}  # 1, 2, 4, ...
unit = frames.std(axis=0)
rate = {size: (step.distortion, nearest(held_frames / unit, step.vectors / unit)[1].mean())
        for size, step in books.items()}  # fmt: skip

figure, axis = plt.subplots(figsize=(7, 4))
for column, name, color in ((0, "frames of the training", style.BLUE), (1, "other recordings", style.RED)):
    axis.plot(list(rate), [both[column] for both in rate.values()], "o-", color=color, label=name)
axis.set_xscale("log", base=2)
axis.set(xlabel="code vectors", ylabel="distortion a frame (13 dimensions)", ylim=(0, None))
axis.set_title(f"{len(frames)} frames in the training")
axis.legend()

# %%
# A word as a row of symbols
# --------------------------
# With 16 vectors, numbered by their :math:`c_1`: hisses, which have more power at high frequencies, come
# first. Rows of one word are alike, but never equal: parts are longer or shorter, and another voice takes
# another symbol for the same vowel. What is alike and what varies, a model has to learn. That is lesson 11.

book = books[16].vectors[np.argsort(books[16].vectors[:, 1])] / unit
symbols = {}
for word in ("seven", "six"):
    for own in [own for own in train if own.word == word][:3]:
        x = own.frames / unit
        symbols.setdefault(word, []).append(nearest(x, book)[0])

figure, axes = plt.subplots(6, figsize=(8, 5), sharex=True)
shift_s, longest = train[0].shift_s, max(len(row) for rows in symbols.values() for row in rows)
for axis, (word, row) in zip(axes, [(word, row) for word, rows in symbols.items() for row in rows]):
    image = axis.imshow(
        row[None], aspect="auto", vmin=0, vmax=15,
        extent=(0, len(row) * shift_s, 0, 1), interpolation="nearest",
    )  # fmt: skip
    changes = np.flatnonzero(np.diff(row, prepend=-1))
    for start, end in zip(changes, [*changes[1:], len(row)]):
        if (end - start) / longest > 0.035:
            middle = (start + end) / 2 * shift_s
            ink = "white" if row[start] < 9 else "black"
            axis.text(middle, 0.5, f"{row[start]}", ha="center", va="center", fontsize=10, color=ink)
    axis.set(yticks=[], xlim=(0, longest * shift_s))
    axis.set_ylabel(word, rotation=0, ha="right", va="center")
axes[-1].set_xlabel("time (s)")
axes[0].set_title("Symbols of a codebook of 16 vectors")

# %%
# In numbers
# ----------

print(
    f"normal distribution: D of 1, 2, 4, 8 values = {[round(scalar_distortion[k], 4) for k in (1, 2, 4, 8)]}"
)
print(f"  two values at {last[2].vectors.ravel().round(3)}; sqrt(2/pi) = {np.sqrt(2 / np.pi):.3f}")
print(f"one vector: D = {rate[1][0]:.3f}, the sum of the variances in units of themselves, 13")
print(f"256 vectors: D = {rate[256][0]:.2f} in training, {rate[256][1]:.2f} elsewhere")
print(
    f"a second of speech: {8 / shift_s:.0f} bits with 256 vectors, {8 * speech.RATE_HZ} bits on a telephone line"
)
for word, rows in symbols.items():
    print(f"{word}: {' '.join(map(str, rows[0]))}")

# %%
# Try next
# --------
# * Leave ``scale=True`` out. Which cepstrum do the vectors then follow, and what happens to the rows of
#   symbols?
# * Compare LBG with k-means from random starts (``study.kmeans(frames, 16, start="random", seed=...)``, ten
#   seeds): how often is it better?
# * Count the symbols of each word in the training, and let a held-out word be the one whose counts explain
#   its symbols best. That is a discrete HMM of one state. How many words are right, and what does it not know
#   about them?

plt.show()
