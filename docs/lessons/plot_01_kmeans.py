r"""
k-means
=======

Points lie in heaps, and somebody wants k means for them. If we knew the heap of each point, the means were
easy; if we knew the means, the heaps were easy. k-means begins with any means and does the one, then the
other. It is the first of many algorithms here that live by this idea; the last is the training of HMMs.

**Topics:** clustering, unsupervised learning, Lloyd's algorithm, coordinate descent, local minima,
initialisation and k-means++, empty clusters, choice of k, scaling of features.
"""

import matplotlib.pyplot as plt
import numpy as np
import speech
import style

from asrkit import study

style.use()

# %%
# Two phases
# ----------
# What k-means makes small is the sum of squared distances, over the means *and* over the labels:
#
# .. math:: J = \sum_n \lVert x_n - \mu_{r(n)} \rVert^2
#
# **Assign:** hold the means; J is least if each point takes its nearest,
# :math:`r(n) = \arg\min_k \lVert x_n - \mu_k \rVert`. **Means:** hold the labels; J is least if each mean is
# the mean of its points, :math:`\mu_k = \frac{1}{N_k}\sum_{r(n)=k} x_n`. ``study.kmeans`` keeps a step of
# each. All means start in one corner here, for a longer way.

rng = np.random.default_rng(4)
X = np.concatenate([rng.normal(middle, 0.75, (80, 2)) for middle in ((0, 0), (4, 0.5), (1.5, 3.5), (5, 4))])
corner = np.array([[-1.0, -1.0], [-0.6, 0.6], [0.4, -0.8], [0.6, 0.6]])
steps = study.kmeans(X, 4, start=corner)


def draw(axis, step, X, mark=8, size=12):
    """Points in the colour of their label, the means, and the borders of the cells."""
    k = len(step.means)
    for own, color, shape in zip(range(k), style.COLORS * 2, "o^sDvP*Xp"):
        some = step.labels == own
        axis.scatter(*X[some].T, s=size, color=color, marker=shape, linewidths=0, alpha=0.7)
        axis.plot(*step.means[own], shape, color=color, markersize=mark + 3, markeredgecolor="black")
    side = [np.linspace(*axis_range, 240) for axis_range in (axis.get_xlim(), axis.get_ylim())]
    grid = np.stack(np.meshgrid(*side), axis=-1)
    cell = ((grid[:, :, None] - step.means) ** 2).sum(axis=-1).argmin(axis=-1)
    for own in range(k):
        axis.contour(*side, cell == own, [0.5], colors="0.45", linewidths=1)


figure, axes = plt.subplots(2, 3, figsize=(10.5, 6.6), sharex=True, sharey=True)
for axis, i in zip(axes.flat, (0, 1, 2, 3, 4, len(steps) - 1)):
    axis.set(xlim=(-2.4, 7.2), ylim=(-2.4, 6.2))
    draw(axis, steps[i], X)
    axis.set_title(f"step {i}, {steps[i].phase}: J = {steps[i].objective:.0f}")

# %%
# A cell's border is always the straight line half-way between two means. J falls in *both* phases, never
# rises; there are finitely many ways to label the points, none is met twice, so it ends. Nobody promised
# that it ends at the least J there is.

J = np.array([step.objective for step in steps])
figure, axis = plt.subplots(figsize=(8, 4))
axis.plot(J, color="0.6", zorder=0)
for phase, color, mark in (("assign", style.BLUE, "o"), ("means", style.RED, "^")):
    some = [i for i, step in enumerate(steps) if step.phase == phase]
    axis.plot(some, J[some], mark, color=color, markersize=7, label=f"after '{phase}'")
axis.set(xlabel="step", ylabel="J", yscale="log", xticks=range(0, len(J), 2), title="J falls in both phases")
axis.set_yticks([500, 1000, 2000, 4000], ["500", "1000", "2000", "4000"])
axis.minorticks_off()
axis.legend()

# %%
# A trap of four points
# ---------------------
# The corners of a rectangle, four wide and one high, and two means. Left and right pairs cost
# :math:`4 \cdot \frac14 = 1`; upper and lower pairs cost :math:`4 \cdot 2^2 = 16`. From the second, neither
# phase can move anything. Make the rectangle wider, and a local minimum is as bad as you like.

rectangle = np.array([[0.0, 0], [0, 1], [4, 0], [4, 1]])
trap = {name: study.kmeans(rectangle, 2, start=start)[-1]
        for name, start in (("left and right", [[0.0, 0.5], [4, 0.5]]), ("up and down", [[2.0, 0], [2, 1]]))}  # fmt: skip

figure, axes = plt.subplots(1, 2, figsize=(9, 2.4), sharey=True)
for axis, (name, step) in zip(axes, trap.items()):
    axis.set(
        xlim=(-1, 5), ylim=(-0.6, 1.6), aspect="equal", title=f"{name}: J = {step.objective:.0f}, and stays"
    )
    draw(axis, step, rectangle, size=90)

# %%
# Several starts
# --------------
# Nine heaps, nine means, two hundred starts from points drawn evenly, and as many by k-means++, which draws
# the next mean with a chance proportional to the squared distance from those it has. Nine points drawn
# evenly from nine heaps hit each heap once with a probability of :math:`9!/9^9 = 0.1\,\%`; and where two
# means share a heap, another must do for two. Neighbours still mend much of that; over an empty space no
# mean finds its way.

nine = np.concatenate([rng.normal((3 * i, 3 * j), 0.45, (40, 2)) for i in range(3) for j in range(3)])
ends = {start: [study.kmeans(nine, 9, start=start, seed=seed)[-1] for seed in range(200)]
        for start in ("random", "k-means++")}  # fmt: skip
final = {start: np.array([step.objective for step in own]) for start, own in ends.items()}
least = min(own.min() for own in final.values())
found = {start: float(np.mean(own < 1.001 * least)) for start, own in final.items()}

figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.9), width_ratios=(1.25, 1, 1))
bins = np.linspace(0.95, 1.02 * max(own.max() for own in final.values()) / least, 40)
for (start, own), color, fill in zip(final.items(), (style.RED, style.BLUE), (True, False)):
    axes[0].hist(own / least, bins, color=color, histtype="stepfilled" if fill else "step", linewidth=2,
                 alpha=0.5 if fill else 1, label=f"{start}: {100 * found[start]:.0f} % find the best")  # fmt: skip
axes[0].set(xlabel="J in the end, in units of the least", ylabel="starts", title="200 starts each")
axes[0].legend()
worst = ends["random"][final["random"].argmax()]
best = min(ends["k-means++"], key=lambda step: step.objective)
for axis, name, step in ((axes[1], "worst", worst), (axes[2], "best", best)):
    axis.set(xlim=(-2, 8), ylim=(-2, 8), title=f"{name}: J = {step.objective:.0f}")
    draw(axis, step, nine, 5)

# %%
# Hence the rule: many starts, keep the least J. The bars stand in groups: each mean that is missing in one
# heap and superfluous in another costs about the same.
#
# Empty clusters
# --------------
# A mean that is nearest to no point has no points to be the mean of. Books differ: drop it, set it to the
# point farthest from all means, or, as here, leave it where it is, and hope. It then costs nothing and
# brings nothing: J is that of three means.

lost = study.kmeans(X, 4, start=np.concatenate([corner[:3], [[30.0, 30.0]]]))
three = study.kmeans(X, 3, start=corner[:3])
counts = np.bincount(lost[-1].labels, minlength=4)

# %%
# How many?
# ---------
# J can't say: it always falls with k, to 0 for a mean on every point. One looks for the bend. With four
# heaps it is at four; with speech there is none, and one takes what serves the purpose.

ks = np.arange(1, 11)
by_k = np.array([min(study.kmeans(X, k, seed=seed)[-1].objective for seed in range(10)) for k in ks])

figure, axis = plt.subplots(figsize=(7, 3.6))
axis.plot(ks, by_k, "o-", color=style.BLUE)
axis.plot(4, by_k[3], "o", color=style.RED, markersize=11)
axis.set(xlabel="k", ylabel="J, the best of ten starts", yscale="log", title="The bend is at four heaps")
axis.set_yticks([200, 500, 1000, 2000], ["200", "500", "1000", "2000"])
axis.minorticks_off()

# %%
# What it takes for granted
# -------------------------
# A squared distance knows no units and no shapes. Three things that happen: (1) vowels by two formants, one
# of them in kHz: the smaller numbers have no say, and the cells are stripes. (2) The same with both in units
# of their standard deviations. (3) A wide heap between narrow ones: the border must lie half-way, so the
# wide one loses its edge. A Gaussian has its own width; that is what mixtures add (lesson 4).

tract = rng.normal(1, 0.07, (60, 1))
formants = np.concatenate(
    [speech.SOUNDS[v][:2] * tract * rng.normal(1, 0.05, (60, 2)) for v in ("IY", "AA", "UW")]
)  # (180, 2) in Hz
mixed = formants * [1, 0.001]  # Hz and kHz
unit = formants.std(axis=0)
wide = np.concatenate([rng.normal((0, 0), 2.2, (240, 2)), rng.normal((6.5, 0), 0.5, (60, 2))])
vowel = np.repeat(np.arange(3), 60)


def purity(labels, classes):
    """Share of the points that are of their cluster's commonest class."""
    return sum(np.bincount(classes[labels == k]).max() for k in np.unique(labels)) / len(labels)


by_units = {
    name: min((study.kmeans(points, 3, seed=seed)[-1] for seed in range(10)), key=lambda step: step.objective)
    for name, points in (("Hz and kHz", mixed), ("deviations", formants / unit))
}
pure = {name: purity(step.labels, vowel) for name, step in by_units.items()}
cut = study.kmeans(wide, 2, seed=0)[-1]

figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.9))
axes[0].set(xlim=(150, 950), ylim=(0.5, 2.9), xlabel="$F_1$ (Hz)", ylabel="$F_2$ (kHz)")
draw(axes[0], by_units["Hz and kHz"], mixed)
axes[1].set(xlim=(0.5, 5), ylim=(0.6, 4.4), xlabel=r"$F_1$ ($\sigma$)", ylabel=r"$F_2$ ($\sigma$)")
draw(axes[1], by_units["deviations"], formants / unit)
for axis, (name, share) in zip(axes, pure.items()):
    axis.set_title(f"{name}: {100 * share:.0f} % pure")
axes[2].set(xlim=(-7, 9), ylim=(-7, 7), title="a wide heap is cut")
draw(axes[2], cut, wide)

# %%
# k-means hears a word
# --------------------
# The frames of one "seven", thirteen cepstra each, as 4 clusters. k-means does not know that frames have an
# order, and yet the clusters are *stretches of time*: what lies side by side sounds alike. That is why a
# word can be modelled by a few states, one after another (lesson 11).

word = speech.features(1, ["seven"])[0]
frames = word.frames.astype(float)
frames /= frames.std(axis=0)
heard = min((study.kmeans(frames, 4, seed=seed)[-1] for seed in range(20)), key=lambda step: step.objective)
changes = int(np.sum(np.diff(heard.labels) != 0))
shuffled = np.mean([np.sum(np.diff(rng.permutation(heard.labels)) != 0) for _ in range(200)])
first_seen = np.argsort(np.argsort([np.flatnonzero(heard.labels == k)[0] for k in range(4)]))
in_order = first_seen[heard.labels]  # numbered as they come

figure, axes = plt.subplots(2, figsize=(8, 4.4), sharex=True, height_ratios=(2.4, 1))
end_s = len(frames) * word.shift_s
axes[0].imshow((frames - frames.mean(axis=0)).T, aspect="auto", origin="lower", extent=(0, end_s, -0.5, 12.5))
axes[0].set(
    ylabel="cepstrum", title='"seven": cepstra (their mean taken away), and the cluster of each frame'
)
for k in range(4):
    some = np.flatnonzero(in_order == k)
    axes[1].bar((some + 0.5) * word.shift_s, 0.9, word.shift_s, k + 0.55, color=style.COLORS[k])
axes[1].set(xlabel="time (s)", ylabel="cluster", xlim=(0, end_s), yticks=[1, 2, 3, 4], ylim=(0.4, 4.6))

# %%
# In numbers
# ----------

for i, step in enumerate(steps):
    print(f"step {i:2}  {step.phase:6}  J = {step.objective:9.3f}")
print("four points:", ", ".join(f"{name} J = {step.objective:.0f}" for name, step in trap.items()))
print(
    "the best of nine heaps is found by",
    ", ".join(f"{name}: {100 * share:.1f} %" for name, share in found.items()),
)
print(
    f"a lost mean: clusters of {counts.tolist()}, J = {lost[-1].objective:.3f}; three means alone: {three[-1].objective:.3f}"
)
print("J against k:", " ".join(f"{value:.0f}" for value in by_k))
print(f"seven: {changes} changes of cluster in {len(frames)} frames; in any order {shuffled:.0f} on average")

# %%
# Try next
# --------
# * Start ``steps`` from four points drawn by chance, with other seeds. How many steps does it take now, and
#   does J always end at the same value?
# * Is the least J of k = 5 on the four heaps found at one place only? Look at the cells for several seeds.
# * Take the median instead of the mean, and the distance instead of its square. Which phase must change how,
#   for the sum to fall in both?

plt.show()
