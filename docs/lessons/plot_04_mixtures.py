r"""
Mixtures
========

Draw a component by chance, then a number from its Gaussian, and forget which it was. What is left is a
density of several hills: a Gaussian mixture. The forgotten component is the first *latent variable* of this
course, and all later ones are like it.

**Topics:** mixture density, latent variable, joint, marginal and posterior distribution, Bayes' rule,
responsibilities, modes, moments of a mixture, identifiability, density estimation.
"""

import matplotlib.pyplot as plt
import numpy as np
import speech
import style
from matplotlib.colors import to_rgb

from asrkit import study

style.use()

# %%
# Joint and marginal
# ------------------
# First the component :math:`z`, with probability :math:`\pi_z`, then :math:`x` from its Gaussian. The joint
# density has a curve for each :math:`z`; who does not see :math:`z` sees their sum:
#
# .. math:: p(x, z) = \pi_z \, \mathcal{N}(x \mid \mu_z, \sigma_z^2) \qquad p(x) = \sum_z p(x, z)

weights, means, variances = np.array([0.5, 0.2, 0.3]), np.array([-2.0, 1.0, 4.0]), np.array([1.0, 0.16, 2.25])
mixture = study.mixture(weights, means, variances)


def density(model, points):
    """p(x) at each of the points, (N,) or (N, D)."""
    points = np.asarray(points, dtype=float)
    return np.exp(model.emission.log_likelihood(points[:, None] if points.ndim == 1 else points)[:, 0])


x = np.linspace(-6, 9, 601)
joint = weights * np.exp(-((x[:, None] - means) ** 2) / (2 * variances)) / np.sqrt(2 * np.pi * variances)
marginal = density(mixture, x)

rng = np.random.default_rng(1)
z_drawn = rng.choice(3, 600, p=weights)  # the component, by chance
x_drawn = rng.normal(means[z_drawn], np.sqrt(variances[z_drawn]))  # then the number

colors = (style.BLUE, style.ORANGE, style.GREEN)
figure, axes = plt.subplots(1, 2, figsize=(10.5, 4), sharey=True)
for k, (color, line) in enumerate(zip(colors, ("-", "--", "-."))):
    axes[0].plot(x, joint[:, k], line, color=color, label=f"$p(x, z = {k + 1})$")
axes[0].plot(x, marginal, color="0.75", linewidth=6, zorder=0, label="$p(x)$, their sum")
axes[0].set(xlabel="x", ylabel="density", title="Joint densities and the marginal")
axes[0].legend(loc="upper right")
parts = [x_drawn[z_drawn == k] for k in range(3)]
axes[1].hist(parts, np.arange(-6, 9.01, 0.5), density=True, stacked=True, color=colors, alpha=0.6)
axes[1].plot(x, marginal, color=style.BLACK, linewidth=2.2)
axes[1].set(xlabel="x", title="600 draws: first z, then x")

# %%
# The posterior
# -------------
# Now :math:`x` is seen, and :math:`z` is asked for. Bayes' rule divides the joint by the marginal, which is
# to say: what *share* of the sum is each curve?
#
# .. math:: \gamma_z(x) = p(z \mid x)
#           = \frac{\pi_z \, \mathcal{N}(x \mid \mu_z, \sigma_z^2)}{\sum_j \pi_j \, \mathcal{N}(x \mid \mu_j, \sigma_j^2)}

gamma = study.posteriors(mixture, x)  # (601, 3)

figure, axis = plt.subplots(figsize=(9, 3.8))
axis.stackplot(x, 100 * gamma.T, colors=colors, alpha=0.6, labels=[f"z = {k + 1}" for k in range(3)])
for k, place in enumerate((-3.4, 1.0, 4.6)):
    axis.text(place, 50, rf"$\gamma_{k + 1}$", ha="center", va="center", fontsize=15)
axis.set(xlabel="x", ylabel="p(z | x) (%)", ylim=(0, 100), xlim=(-6, 9), title="Who was it?")

# %%
# Look at the left and the right end. At x = -6 the posterior is not undecided, it is blue... but go on to
# the left, and it turns **green**: far away the *widest* Gaussian wins, however far its mean. A posterior
# does not know "none of these". (That is why a recogniser of words needs more than posteriors to refuse
# noise.)

far = study.posteriors(mixture, [-6.0, -20.0]).round(3)

# %%
# In the plane: three ways to see one data set
# --------------------------------------------
# Complete data, with the component of each point; what we get to see; and the posterior as a colour, mixed
# of the components' colours by :math:`\gamma`. Only where the clouds meet is the third picture another than
# the first.

plane_weights = [0.3, 0.4, 0.3]
plane_means = np.array([[0.0, 0.0], [2.6, 1.2], [5.0, 4.2]])
plane_covariances = np.array([[[1, 0.6], [0.6, 1]], [[1.2, -0.7], [-0.7, 0.9]], [[0.5, 0], [0, 1.5]]])
plane = study.mixture(plane_weights, plane_means, plane_covariances)
z_plane = rng.choice(3, 500, p=plane_weights)
points = np.stack([rng.multivariate_normal(plane_means[z], plane_covariances[z]) for z in z_plane])
plane_gamma = study.posteriors(plane, points)
palette = np.array([to_rgb(color) for color in colors])
certain = plane_gamma.max(axis=1)
agreed = float((plane_gamma.argmax(axis=1) == z_plane).mean())

figure, axes = plt.subplots(1, 3, figsize=(11.5, 4), sharex=True, sharey=True)
for k, mark in enumerate("o^s"):
    axes[0].scatter(*points[z_plane == k].T, s=14, marker=mark, color=colors[k], linewidths=0)
axes[1].scatter(*points.T, s=14, color="0.55", linewidths=0)
axes[2].scatter(*points.T, s=14, color=np.clip(plane_gamma @ palette, 0, 1), linewidths=0)
axes[2].scatter(*points[certain < 0.7].T, s=46, facecolors="none", edgecolors="0.2", linewidths=1)
for axis, name in zip(
    axes, ("z known: complete data", "z unknown", r"$\gamma$; rings: no component above 0.7")
):
    axis.set(xlabel="$x_1$", title=name)
axes[0].set_ylabel("$x_2$")

# %%
# How sure may one be? As sure as one says. Of all points to which the model gives its best component with 80
# to 90 %, in 80 to 90 % it *was* that component. For a model that is true, posteriors are honest:

many_z = rng.choice(3, 20000, p=plane_weights)
roots = np.linalg.cholesky(plane_covariances)
many = plane_means[many_z] + np.einsum("nij,nj->ni", roots[many_z], rng.normal(size=(20000, 2)))
many_gamma = study.posteriors(plane, many)
sure, was = many_gamma.max(axis=1), many_gamma.argmax(axis=1) == many_z
edges = np.array([0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
honest = [(sure[inside].mean(), was[inside].mean(), int(inside.sum()))
          for inside in ((sure >= low) & (sure < high + (high == 1)) for low, high in zip(edges, edges[1:]))]  # fmt: skip

# %%
# Hills: not one for each component
# ---------------------------------
# Two Gaussians with the same :math:`\sigma` and equal weights have two tops only where their means are more
# than :math:`2\sigma` apart; nearer, they are one hill. In the plane it can go the other way: two long
# Gaussians, crossed, have *three* tops (Ray and Lindsay, 2005): one at each mean, and one where the ridges
# meet. So counting hills does not count components.

line = np.linspace(-4, 4, 3201)


def tops(values):
    """How many local maxima."""
    return int(np.sum((values[1:-1] > values[:-2]) & (values[1:-1] >= values[2:])))


apart = (1.0, 2.0, 2.2, 3.0)
two = {d: density(study.mixture([0.5, 0.5], [-d / 2, d / 2], [1.0, 1.0]), line) for d in apart}
num_tops = {d: tops(values) for d, values in two.items()}
crossed = study.mixture([0.5, 0.5], [[0.0, 0.0], [1, 1]], [np.diag([1, 0.05]), np.diag([0.05, 1])])
side = np.linspace(-0.75, 1.75, 251)
grid = np.stack(np.meshgrid(side, side), axis=-1)
ground = density(crossed, grid.reshape(-1, 2)).reshape(251, 251)
inner = ground[1:-1, 1:-1]
around = [ground[1 + i : 250 + i, 1 + j : 250 + j] for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
is_top = np.all([inner > other for other in around], axis=0)
crossed_tops = grid[1:-1, 1:-1][is_top]

figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.3))
for (d, values), color, style_of_line in zip(two.items(), style.COLORS, ("-", "--", "-.", ":")):
    axes[0].plot(line, values, style_of_line, color=color, label=rf"{d} $\sigma$ apart: {num_tops[d]}")
axes[0].set(xlabel="x", ylabel="density", xlim=(-4, 4), ylim=(0, 0.48), title="Tops of two components")
axes[0].legend(loc="upper right")
filled = axes[1].contourf(side, side, ground, 24, cmap="cividis")
axes[1].plot(*crossed_tops.T, "^", color=style.ORANGE, markersize=10, markeredgecolor="black")
axes[1].set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal", title="Two components, three tops")
figure.colorbar(filled, ax=axes[1], label="density", format="%.2f")

# %%
# Mean and variance
# -----------------
# The variance of a mixture has two parts, the variance *inside* the components and that *between* their
# means:
#
# .. math:: E[x] = \sum_k \pi_k \mu_k = \mu \qquad V[x]
#           = \sum_k \pi_k \sigma_k^2 + \sum_k \pi_k (\mu_k - \mu)^2
#
# One Gaussian with this mean and variance is the best that one Gaussian can do. A frame of speech has most
# of its variance between the sounds, so for speech it is not good at all.

mean = weights @ means
inside, between = weights @ variances, weights @ (means - mean) ** 2
step = x[1] - x[0]
by_integral = (marginal * x).sum() * step, (marginal * (x - mean) ** 2).sum() * step

# %%
# A cepstrum has several hills
# ----------------------------
# The second cepstrum of thirty times "six": one value for the vowel, others for the hiss and the stop before
# it. One Gaussian fills the valley between them; eight follow it. The right picture has all thirteen
# cepstra: on frames that were *not* trained on the gain ends, while on the training it goes on for ever.

said = speech.features(40, ["six"])
centered = [(own.frames - own.frames.mean(axis=0)).astype(float) for own in said]
train_frames, held_frames = np.concatenate(centered[:30]), np.concatenate(centered[30:])
column = train_frames[:, 1]
sizes = (1, 2, 4, 8, 16, 32, 64)
settings = {"covariance": "diag", "min_count": 1, "num_starts": 1, "max_iters": 30, "tol": 1e-3}
one_dim = {k: study.train("gmm", column, num_gauss=k, **settings)[-1].model for k in (1, 2, 8)}
full_dim = {k: study.train("gmm", train_frames, num_gauss=k, **settings)[-1] for k in sizes}
fit = {
    k: (own.per_frame, study.log_likelihood(own.model, held_frames) / len(held_frames))
    for k, own in full_dim.items()
}

figure, axes = plt.subplots(1, 2, figsize=(10.5, 4))
axes[0].hist(column, 50, density=True, color="0.82")
place = np.linspace(column.min(), column.max(), 400)
for (k, model), color, line_style in zip(one_dim.items(), style.COLORS, (":", "--", "-")):
    axes[0].plot(place, density(model, place), line_style, color=color, label=f"K = {k}")
axes[0].set(xlabel="$c_1$", ylabel="density", title='"six": one cepstrum')
axes[0].legend()
for column_of, name, color, line_style in (
    (0, "training", style.BLUE, "o-"),
    (1, "held out", style.RED, "s--"),
):
    axes[1].plot(sizes, [own[column_of] for own in fit.values()], line_style, color=color, label=name)
axes[1].set_xscale("log", base=2)
axes[1].set_xticks(sizes, sizes)
axes[1].set(xlabel="components K", ylabel="ln p a frame (nats)", title="All thirteen")
axes[1].legend()

# %%
# In numbers
# ----------

print("gamma at x = -6 and -20:", far.tolist())
print(f"the likeliest component is the right one for {100 * agreed:.1f} % of 500 points")
print("said and true:", ", ".join(f"{said_:.2f} {true:.2f} ({n})" for said_, true, n in honest))
print("tops of two components:", ", ".join(f"{d} apart: {n}" for d, n in num_tops.items()),
      "; crossed:", crossed_tops.round(2).tolist())  # fmt: skip
print(
    f"mean {mean:.4f} ({by_integral[0]:.4f}), variance {inside:.4f} inside + {between:.4f} between = {inside + between:.4f} ({by_integral[1]:.4f})"
)
print("six, nats a frame:", ", ".join(f"K = {k}: {a:.2f} / {b:.2f}" for k, (a, b) in fit.items()))

# %%
# Try next
# --------
# * Exchange components 1 and 3, weights, means and variances. Which of the pictures above change? How many
#   names has a mixture of K components?
# * Give both Gaussians of ``two`` weights of 0.8 and 0.2. How far apart must the means be now for two tops?
# * What is :math:`\gamma` halfway between two means, if variances are the same and weights are not? Where is
#   it one half?

plt.show()
