r"""
Gaussians
=========

The bell curve is what everything here is built of: a state of an HMM, a component of a mixture, a phone of
MixGoP. This lesson looks at it until its parameters have a meaning: as a density over :math:`x`, as a hill
over :math:`\mu` and :math:`\sigma`, as an ellipse in the plane.

**Topics:** density and likelihood, maximum likelihood, bias and variance of an estimate, multivariate
Gaussian, covariance matrix, eigenvectors, Mahalanobis distance, equal-probability contours, Gaussian
classifier.
"""

import matplotlib.pyplot as plt
import numpy as np
import speech
import style

from asrkit import study

style.use()

# %%
# A density over x
# ----------------
#
# .. math:: N(x \mid \mu, \sigma^2) = \frac{1}{\sqrt{2\pi\sigma^2}} \exp\left(-\frac{(x-\mu)^2}{2\sigma^2}\right)
#
# :math:`\mu` moves it, :math:`\sigma` widens it. The area stays 1, so what is wide is low, and what is narrow
# is high: a density may well be above 1. A Gaussian is a mixture of one component, and ``study.mixture``
# takes plain numbers:


def gaussian(mean, covariance):
    """One Gaussian as an asrkit model; mean (D,), covariance (D, D)."""
    return study.mixture([1.0], [np.atleast_1d(mean)], [np.atleast_2d(covariance)])


def density(model, points):
    """The density at each of the points (N, D)."""
    return np.exp(model.emission.log_likelihood(np.asarray(points, dtype=float))[:, 0])


x = np.linspace(-5, 5, 1001)
figure, axis = plt.subplots()
area, peak = {}, {}
for (mu, sigma), line in zip(((0, 1), (2, 1), (0, 2), (-1, 0.3)), ("-", "--", "-.", ":")):
    y = density(gaussian(mu, sigma**2), x[:, None])
    area[mu, sigma], peak[mu, sigma] = np.trapezoid(y, x), y.max()
    axis.plot(x, y, line, label=rf"$\mu$ = {mu}, $\sigma$ = {sigma}")
axis.set(xlabel="x", ylabel="density")
axis.legend()

# %%
# Turned round: a hill over the mean
# ----------------------------------
# Now one number was seen, :math:`x = 1`, and the mean is what nobody knows. The same formula, read as a
# function of :math:`\mu`, is the *likelihood*. :math:`\mu = -1` makes the 1 an improbable event (.054),
# :math:`\mu = 0` less so (.242), :math:`\mu = 1` explains it best (.399).

likelihood = {mu: density(gaussian(mu, 1.0), [[1.0]])[0] for mu in (-1, 0, 1)}

figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
for mu, color in zip(likelihood, (style.RED, style.ORANGE, style.BLUE)):
    axes[0].plot(x, density(gaussian(mu, 1.0), x[:, None]), color=color, label=rf"$\mu$ = {mu}")
    for axis, place in zip(axes, (1.0, mu)):
        axis.plot(place, likelihood[mu], "o", color=color, markersize=8)
    axes[1].annotate(f"{likelihood[mu]:.3f}", (mu, likelihood[mu]), (-12, 8), textcoords="offset points")
axes[0].axvline(1, color="0.6", linewidth=1, linestyle="--")
axes[0].set(xlabel="x", ylabel="density at x", xlim=(-4, 4), ylim=(0, 0.5))
axes[0].set_title("Three densities, one observation")
axes[0].legend(loc="upper left")
hill = np.array([density(gaussian(mu, 1.0), [[1.0]])[0] for mu in x])
axes[1].plot(x, hill, color="0.5", zorder=0)
axes[1].set(xlabel=r"$\mu$", xlim=(-4, 4), title=r"The likelihood of $\mu$, given x = 1")

# %%
# Twenty numbers: the hill has a top
# ----------------------------------
# The likelihoods of independent numbers are multiplied, their logarithms added:
#
# .. math:: \ln p(x_1 \ldots x_N \mid \mu, \sigma^2) = -\frac N2 \ln 2\pi\sigma^2 - \frac{1}{2\sigma^2} \sum_n (x_n - \mu)^2
#
# Set both derivatives to zero, and the top is where one would have guessed: at the mean of the numbers, and
# at their mean squared distance from it. No search is needed. (For mixtures there is no such formula. That is
# why there is EM.)

rng = np.random.default_rng(3)
sample = rng.normal(2.0, 1.5, 20)
best_mu, best_sigma = sample.mean(), np.sqrt(((sample - sample.mean()) ** 2).mean())
mus, sigmas = np.linspace(0, 4, 121), np.linspace(0.7, 3.5, 113)
surface = np.array(
    [
        [study.log_likelihood(gaussian(mu, sigma**2), sample[:, None]) for mu in mus[::4]]
        for sigma in sigmas[::4]
    ]
)
at_top = study.log_likelihood(gaussian(best_mu, best_sigma**2), sample[:, None])

figure, axis = plt.subplots(figsize=(6.5, 4.5))
levels = at_top - np.arange(30, -1, -1)
filled = axis.contourf(mus[::4], sigmas[::4], surface, levels, extend="min")
lines = axis.contour(
    mus[::4], sigmas[::4], surface, levels[[10, 20, 25, 28]], colors="white", linestyles="solid", linewidths=1
)
axis.clabel(lines, fmt="%.0f")
axis.plot(best_mu, best_sigma, "o", color=style.RED, markersize=9)
axis.set(xlabel=r"$\mu$", ylabel=r"$\sigma$", title="ln p of 20 numbers; the dot: mean and deviation")
figure.colorbar(filled, ax=axis, label="log-likelihood (nats)", format="%.0f")

# %%
# The variance comes out too small
# --------------------------------
# Draw five numbers, compute their mean and their mean squared distance *from that mean*; again and again. The
# means lie around the true one. The variances do not: the mean has moved towards these five numbers, so they
# are nearer to it than to the true one.
#
# .. math:: E[\hat\mu] = \mu \qquad E[\hat\sigma^2] = \frac{N-1}{N}\,\sigma^2
#
# With two numbers it is half of the truth, with one it is zero, and a density with :math:`\sigma = 0` has an
# infinite likelihood. That is the collapse that EM needs a variance floor against (lesson 5).

sizes, true_variance = (2, 3, 5, 10, 30), 1.0
estimated = {n: rng.normal(0, 1, (20000, n)).var(axis=1) for n in sizes}

figure, axis = plt.subplots()
for n, color in zip(sizes[::2], (style.RED, style.ORANGE, style.BLUE)):
    axis.hist(estimated[n], np.linspace(0, 3, 61), density=True, histtype="step", linewidth=1.8, color=color,
              label=f"N = {n}: mean {estimated[n].mean():.3f}, expected {(n - 1) / n:.3f}")  # fmt: skip
    axis.axvline(estimated[n].mean(), color=color, linestyle="--", linewidth=1.2)
axis.axvline(true_variance, color="black", linewidth=1)
axis.set(xlabel=r"estimated $\hat\sigma^2$ (true: 1)", ylabel="density", ylim=(0, 2.2), xlim=(0, 3))
axis.legend()

# %%
# Two dimensions: ellipses
# ------------------------
#
# .. math:: N(x \mid \mu, \Sigma) = \frac{1}{\sqrt{|2\pi\Sigma|}} \exp\left(-\tfrac12 (x-\mu)^\top \Sigma^{-1} (x-\mu)\right)
#
# With :math:`\Sigma = I` circles; with a diagonal :math:`\Sigma` ellipses along the axes; with entries beside
# the diagonal they are turned. The axes of the ellipse are the eigenvectors of :math:`\Sigma`, and its
# half-axes the roots of the eigenvalues. A diagonal Gaussian can't turn: that is all that it lacks. The 300
# points are the same in all three pictures, stretched and turned by a root of :math:`\Sigma`.

covariances = {
    "I": np.eye(2),
    "diag(.6, 2)": np.diag([0.6, 2.0]),
    "[[1, .8], [.8, 1]]": np.array([[1, 0.8], [0.8, 1]]),
}
side = np.linspace(-3.5, 3.5, 141)
grid = np.stack(np.meshgrid(side, side), axis=-1)  # (141, 141, 2)
points = rng.normal(size=(300, 2))

figure = plt.figure(figsize=(9.5, 6.5))
inside, volume = {}, {}
for column, (name, covariance) in enumerate(covariances.items()):
    height = density(gaussian([0, 0], covariance), grid.reshape(-1, 2)).reshape(grid.shape[:2])
    volume[name] = np.trapezoid(np.trapezoid(height, side), side)
    axis = figure.add_subplot(2, 3, column + 1, projection="3d")
    axis.plot_surface(*np.moveaxis(grid, 2, 0), height, cmap="viridis", rcount=45, ccount=45, vmax=0.28)
    axis.set(zlim=(0, 0.28), xticks=[-3, 0, 3], yticks=[-3, 0, 3], zticks=[0, 0.1, 0.2])
    axis.set(xlabel="$x_1$", ylabel="$x_2$", zlabel="density")
    axis.set_title(f"$\\Sigma$ = {name}")
    values, vectors = np.linalg.eigh(covariance)
    drawn = points @ np.linalg.cholesky(covariance).T  # L z has the covariance L L' = Sigma
    distance = (np.linalg.solve(covariance, drawn.T) * drawn.T).sum(axis=0)  # squared Mahalanobis distances
    inside[name] = [(distance < c**2).mean() for c in (1, 2)]
    axis = figure.add_subplot(2, 3, column + 4, aspect="equal")
    axis.scatter(*drawn.T, s=4, color=style.SKY)
    ring = height.max() * np.exp(-0.5 * np.array([4, 1]))  # the ellipses at 2 and 1 deviations
    axis.contour(side, side, height, ring, colors=style.BLUE, linewidths=1.8)
    for value, vector in zip(values, vectors.T):
        arrow = {"arrowstyle": "->", "color": style.RED, "linewidth": 2}
        axis.annotate("", np.sqrt(value) * vector, (0, 0), arrowprops=arrow)
    axis.set(xlim=(-3.5, 3.5), ylim=(-3.5, 3.5), xlabel="$x_1$", ylabel="$x_2$")

# %%
# How much lies inside an ellipse?
# --------------------------------
# In one dimension 68 % lie within one deviation. In two dimensions only 39 %: :math:`P(d < c) = 1 -
# e^{-c^2/2}`. The more dimensions, the less: in the 39 of a recogniser's features practically nothing is near
# the mean. What is typical has a distance of about :math:`\sqrt{39}`; a Gaussian there is a shell.

typical = np.linalg.norm(rng.normal(size=(2000, 39)), axis=1)

figure, axis = plt.subplots(figsize=(8, 3.8))
for dim, color in ((1, style.BLUE), (2, style.ORANGE), (13, style.GREEN), (39, style.RED)):
    distances = np.linalg.norm(rng.normal(size=(20000, dim)), axis=1)
    axis.hist(distances, np.linspace(0, 9, 91), density=True, histtype="step", linewidth=1.8, color=color,
              label=f"{dim} dimension{'s' * (dim > 1)}")  # fmt: skip
axis.set(xlabel="distance from the mean (standard deviations)", ylabel="density", xlim=(0, 9))
axis.legend()

# %%
# And speech?
# -----------
# One Gaussian a sound, two cepstra. Frames of two words, and where one is likelier than the other: the border
# between two Gaussians with different covariances is a conic section. A frame alone can't tell the words
# apart well, for they share sounds; but fifty frames, added up, can.

pair = ("six", "four")
said = speech.features(12, pair)
frames = {
    word: np.concatenate([own.frames[:, 1:3] for own in said if own.word == word]).astype(float)
    for word in pair
}
models = {word: gaussian(own.mean(axis=0), np.cov(own.T, bias=True)) for word, own in frames.items()}
low, high = (f([f(own, axis=0) for own in frames.values()], axis=0) for f in (np.min, np.max))
plane = np.stack(np.meshgrid(*np.linspace(low, high, 150).T), axis=-1)
log_density = {
    word: model.emission.log_likelihood(plane.reshape(-1, 2))[:, 0].reshape(150, 150)
    for word, model in models.items()
}
ratio = log_density[pair[0]] - log_density[pair[1]]
right = {word: float((density(models[word], own) > density(models[other], own)).mean())
         for (word, own), other in zip(frames.items(), pair[::-1])}  # fmt: skip

figure, axis = plt.subplots(figsize=(7, 4.8))
for (word, own), color, mark in zip(frames.items(), (style.BLUE, style.ORANGE), "o^"):
    axis.scatter(
        *own[::2].T,
        s=9,
        color=color,
        marker=mark,
        alpha=0.5,
        linewidths=0,
        label=f"{word}: {100 * right[word]:.0f} % of the frames right",
    )
    top = log_density[word].max()
    axis.contour(
        *np.moveaxis(plane, 2, 0), log_density[word], [top - 2, top - 0.5], colors=color, linestyles="solid"
    )
axis.contour(*np.moveaxis(plane, 2, 0), ratio, [0], colors="black", linewidths=2, linestyles="dashed")
axis.set(xlabel="$c_1$", ylabel="$c_2$", title="Two words, two Gaussians; dashed: equally likely")
axis.legend(markerscale=2)

# %%
# In numbers
# ----------

print("N(1 | mu, 1) for mu = -1, 0, 1:", " ".join(f"{value:.3f}" for value in likelihood.values()))
print(f"top of the hill: mu = {best_mu:.3f}, sigma = {best_sigma:.3f}, ln p = {at_top:.2f}")
print(
    "mean of the estimated variance:",
    ", ".join(f"N = {n}: {own.mean():.3f} ({(n - 1) / n:.3f})" for n, own in estimated.items()),
)
print(
    "inside one and two deviations:",
    ", ".join(f"{name}: {one:.2f} {two:.2f}" for name, (one, two) in inside.items()),
    "(0.39 0.86)",
)
print(
    f"39 dimensions: distances of {typical.mean():.2f} on average, the least of 2000 is {typical.min():.2f}"
)

# %%
# Try next
# --------
# * Draw the 20 numbers with another seed: how far does the top move, and is it farther along :math:`\mu` or
#   along :math:`\sigma`? What with 200?
# * Divide by :math:`N - 1` instead of :math:`N`. Is :math:`\hat\sigma` unbiased then, too? And which of the
#   two has the higher likelihood?
# * Fit the two words with ``np.diag(own.var(axis=0))`` instead. What becomes of the dashed line, and of the
#   share of right frames?

plt.show()
