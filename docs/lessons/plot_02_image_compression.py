r"""
Image compression with k-means
==============================

A pixel is a point in a space of three dimensions, red, green and blue. Two hundred thousand of them, replaced
by the nearest of K colours, are an image of a few bits a pixel. It is the quickest way to *see* what k-means
does, and what it does not care about.

**Topics:** k-means as vector quantisation, the distortion J, lossy compression, bits and bytes, choice of K,
what a squared distance means.
"""

import matplotlib.pyplot as plt
import numpy as np
import style
from sklearn.datasets import load_sample_image

from asrkit import study

style.use()

# %%
# Pixels are points
# -----------------
# A photograph that scikit-learn brings along. Every second pixel of it, and the same pixels as points: most
# lie near the grey diagonal, for what is bright is bright in all three colours.

image = load_sample_image("china.jpg")[::2, ::2] / 255  # (214, 320, 3) in [0, 1]
pixels = image.reshape(-1, 3)  # (N, 3)
some = np.random.default_rng(0).permutation(len(pixels))[:3000]

figure = plt.figure(figsize=(9, 4))
axis = figure.add_subplot(1, 2, 1)
axis.imshow(image)
axis.axis("off")
axis = figure.add_subplot(1, 2, 2, projection="3d")
axis.scatter(*pixels[some].T, c=pixels[some], s=4, depthshade=False)
axis.set(xlabel="red", ylabel="green", zlabel="blue")
axis.set(xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], zticks=[0, 0.5, 1])
axis.set_box_aspect(None, zoom=0.8)

# %%
# K colours
# ---------
# k-means looks for the K colours that cost least:
#
# .. math:: J = \sum_n \lVert x_n - \mu_{r(n)} \rVert^2, \qquad r(n) = \arg\min_k \lVert x_n - \mu_k \rVert^2
#
# Each pixel then stores :math:`r(n)`, a number from 0 to K - 1, in :math:`\lceil\log_2 K\rceil` bits instead
# of 24; once for the whole image there is the palette, K times 24 bits.

compressed, quality = {}, {}
for k in (2, 3, 10):
    steps = study.kmeans(pixels, k, seed=1, max_iters=20)
    last = steps[-1]
    compressed[k] = last.means[last.labels].reshape(image.shape)  # every pixel is its mean's colour
    quality[k] = last.objective

total_bits = 24 * len(pixels)
bits = {k: len(pixels) * int(np.ceil(np.log2(k))) + 24 * k for k in compressed}

figure, axes = plt.subplots(2, 2, figsize=(9, 6.4))
axes[0, 0].set_title(f"{len(np.unique(pixels, axis=0))} colours: {total_bits / 8 / 1024:.0f} KiB")
axes[0, 0].imshow(image)
for axis, (k, picture) in zip(axes.flat[1:], compressed.items()):
    axis.imshow(picture)
    axis.set_title(f"K = {k}: {bits[k] / 8 / 1024:.0f} KiB, {100 * bits[k] / total_bits:.0f} %")
for axis in axes.flat:
    axis.axis("off")

# %%
# Where the colours lie
# ---------------------
# Not where you would put them. A mean is pulled by every pixel of its cell: small, strong colours, the red of
# the paint, have few pixels and little say, and with small K vanish into a brown. Below, each column is one
# of ten colours, as wide as its share of the pixels.

shares = np.bincount(last.labels, minlength=10) / len(pixels)
order = np.argsort(last.means.sum(axis=1))  # from dark to bright

figure, axis = plt.subplots(figsize=(8, 1.8))
left = np.concatenate([[0], np.cumsum(shares[order])[:-1]])
axis.barh(0, shares[order] * 100, left=left * 100, color=last.means[order], height=1)
axis.set(
    yticks=[], xlabel="share of the pixels (%)", xlim=(0, 100), ylim=(-0.5, 0.5), title="The palette of ten"
)

# %%
# J against K
# -----------
# J falls with every colour that is added, and never rises; it would reach 0 with a colour for each pixel.
# There is no K at which it says "enough". What a bit more costs and what it brings is the only question. In D
# dimensions a bit should bring :math:`6 / D` decibels, 2 dB of a pixel's three. Here it brings more: the
# pixels lie near a line, so they have hardly three dimensions.

subset = pixels[some]
ks = (1, 2, 3, 4, 6, 8, 16, 32, 64)
J = {k: study.kmeans(subset, k, seed=2, max_iters=20)[-1].objective / len(subset) for k in ks}
signal_db = {k: 10 * np.log10(1 / (value / 3)) for k, value in J.items()}  # peak signal to noise

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8))
axes[0].plot(ks, list(J.values()), "o-")
axes[0].set(xlabel="K", ylabel="J a pixel", ylim=(0, None), title="Distortion against colours")
axes[1].plot(np.log2(ks), list(signal_db.values()), "o-", label="k-means")
slope_db = 10 * np.log10(2) * 2 / 3
axes[1].plot(
    np.log2(ks), signal_db[8] + slope_db * (np.log2(ks) - 3), ":", color=style.RED, label="2 dB a bit"
)
axes[1].set(xlabel="bits a pixel", ylabel="PSNR (dB)", title="The same, as an engineer draws it")
axes[1].legend()

# %%
# What k-means does not see
# -------------------------
# Shuffle all pixels: J is the same to the last digit, for nothing in the formula knows where a pixel lies.
# JPEG lives of just that, of neighbours being alike. It is the same with speech: a mixture, or a codebook,
# sees a word's frames as a heap. Only the HMM knows that one comes after the other.

shuffled = np.random.default_rng(3).permutation(len(pixels))
start = pixels[some[:10]] + np.random.default_rng(4).normal(0, 0.003, (10, 3))  # no pixel between two of them
in_order = study.kmeans(pixels, 10, start=start, max_iters=5)[-1]
in_disorder = study.kmeans(pixels[shuffled], 10, start=start, max_iters=5)[-1]

figure, axes = plt.subplots(1, 2, figsize=(9, 3.3))
for axis, step, name in zip(axes, (in_order, in_disorder), ("in order", "shuffled")):
    axis.imshow(step.means[step.labels].reshape(image.shape))
    axis.set_title(f"{name}: J = {step.objective:.2f}")
    axis.axis("off")

# %%
# In numbers
# ----------

print(f"{len(pixels)} pixels, 24 bits each: {total_bits // 8} bytes")
for k in compressed:
    print(
        f"K = {k:2}: {bits[k] // 8:6} bytes, {100 * bits[k] / total_bits:4.1f} %, J a pixel {quality[k] / len(pixels):.5f}"
    )
print(f"J in order {in_order.objective:.6f}, shuffled {in_disorder.objective:.6f}")

# %%
# Try next
# --------
# * Other seeds: does K = 3 always find the same three colours? Which J is the lowest?
# * Turn red, green and blue into brightness and two colour differences first, and let brightness count twice.
#   What changes in the sky?
# * Append each pixel's place, :math:`(x, y)`, to its colour as two more dimensions. What do the cells look
#   like now?

plt.show()
