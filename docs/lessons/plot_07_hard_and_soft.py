r"""
Hard and soft
=============

k-means gives each point to one mean; EM gives it to all, in parts. They are one algorithm with a knob
between them, a temperature. Turn it down, and responsibilities become decisions. The same knob lies between
Baum-Welch and Viterbi.

**Topics:** k-means as a limit of EM, shared spherical covariances, softmax and temperature, free energy,
deterministic annealing, forward-backward and Viterbi, Baum-Welch and Viterbi training.
"""

import matplotlib.pyplot as plt
import numpy as np
import speech
import style
from matplotlib.colors import to_rgb

from asrkit import study

style.use()

# %%
# The knob
# --------
# Give all components the same weight and the same covariance :math:`\Sigma = \varepsilon I`, and hold both.
# Only the distances remain in the posterior:
#
# .. math:: \gamma_k(x) = \frac{\exp(-\lVert x - \mu_k \rVert^2 / 2\varepsilon)}{\sum_j \exp(-\lVert x - \mu_j \rVert^2 / 2\varepsilon)}
#
# Two means at -1 and 1: :math:`\gamma_2` is a sigmoid with the slope :math:`1 / (2\varepsilon)` in its
# middle. At :math:`\varepsilon = 10` nobody is sure of anything; at 0.01 it is k-means' :math:`r`, which is
# 0 or 1.


def gamma_of(X, means, epsilon):
    """The posteriors of a mixture with weights 1 / K and covariances epsilon I: (N, K)."""
    k, dim = means.shape
    spread = np.full((k, dim), float(epsilon))
    return study.posteriors(study.mixture(np.full(k, 1 / k), means, spread), X)


temperatures = (10.0, 1.0, 0.1, 0.01)
x = np.linspace(-3, 3, 601)
sigmoids = {eps: gamma_of(x[:, None], np.array([[-1.0], [1.0]]), eps)[:, 1] for eps in temperatures}

figure, axis = plt.subplots(figsize=(7.5, 3.8))
for (eps, values), color, line in zip(sigmoids.items(), style.COLORS, (":", "-.", "--", "-")):
    axis.plot(x, values, line, color=color, label=rf"$\varepsilon$ = {eps:g}")
axis.set(xlabel="x", ylabel=r"$\gamma_2(x)$", title="Means at -1 and 1")
axis.legend()

# %%
# EM at four temperatures
# -----------------------
# Four heaps, four means, the same start. The E step has the formula above, the M step is k-means' with parts
# for heads:
#
# .. math:: \mu_k = \frac{\sum_n \gamma_{nk} x_n}{\sum_n \gamma_{nk}}
#
# Colours are mixed by :math:`\gamma`. In the heat all means sit *in one place*, as if there were one; in the
# cold EM ends where k-means ends.

rng = np.random.default_rng(7)
X = np.concatenate(
    [rng.normal(middle, 0.42, (60, 2)) for middle in ((-2.4, 0.6), (-1.2, -0.9), (1.6, 1.0), (2.2, -0.7))]
)
start = X[[5, 70, 130, 200]]


def soft_means(means, epsilon, iterations):
    """EM for the means alone."""
    for _ in range(iterations):
        gamma = gamma_of(X, means, epsilon)
        means = gamma.T @ X / gamma.sum(axis=0)[:, None]
    return means


warm = {eps: soft_means(start, eps, 100) for eps in temperatures}
hard = study.kmeans(X, 4, start=start)[-1]
gap = {eps: float(np.abs(means - hard.means).max()) for eps, means in warm.items()}

palette = np.array([to_rgb(color) for color in (style.BLUE, style.ORANGE, style.GREEN, style.PINK)])
figure, axes = plt.subplots(1, 4, figsize=(12, 3.6), sharex=True, sharey=True)
for axis, (eps, means) in zip(axes, warm.items()):
    axis.scatter(*X.T, s=12, color=np.clip(gamma_of(X, means, eps) @ palette, 0, 1), linewidths=0)
    axis.plot(*hard.means.T, "s", color="none", markeredgecolor="0.3", markersize=12)
    for mean, color in zip(means, palette):
        axis.plot(*mean, "o", color=color, markeredgecolor="black", markersize=8)
    axis.set(xlabel="$x_1$", title=rf"$\varepsilon$ = {eps:g}")
axes[0].set_ylabel("$x_2$ (squares: k-means)")

# %%
# The likelihood becomes J
# ------------------------
# Leave out of the log-likelihood what does not depend on the means, and take it times :math:`-2\varepsilon`:
#
# .. math:: F(\varepsilon) = -2\varepsilon \sum_n \ln \sum_k \exp\left(-\frac{\lVert x_n - \mu_k \rVert^2}{2\varepsilon}\right)
#
# A sum of K terms is at least its greatest, and at most K times that. So
# :math:`J - 2\varepsilon N \ln K \le F \le J`: as the temperature falls, maximum likelihood *is* least
# squares. (Physicists know F as a free energy, J as the energy.)

scale = np.geomspace(0.01, 10, 40)
J = hard.objective
constant = [len(X) * (-np.log(4) - np.log(2 * np.pi * eps)) for eps in scale]
F = np.array([
    -2 * eps * (study.log_likelihood(study.mixture(np.full(4, 0.25), hard.means, np.full((4, 2), eps)), X) - left)
    for eps, left in zip(scale, constant)
])  # fmt: skip
floor = J - 2 * scale * len(X) * np.log(4)

figure, axis = plt.subplots(figsize=(7.5, 3.8))
axis.semilogx(scale, F, color=style.BLUE, linewidth=2.4, label=r"$F(\varepsilon)$, means of k-means")
axis.axhline(J, color=style.RED, linestyle="--", label="J of k-means")
axis.semilogx(scale, floor, ":", color=style.BLACK, label=r"$J - 2\varepsilon N \ln K$")
axis.set(xlabel=r"$\varepsilon$", ylabel="F, J", ylim=(-1.5 * J, 1.4 * J))
axis.legend(loc="lower left")

# %%
# Where the means part
# --------------------
# Cool slowly, and watch the means (their first coordinate). They do not drift apart: they sit together
# exactly, then split, and their groups split again. The first split comes at a temperature that can be
# foretold (Rose and others, 1990): with all means in the middle, EM multiplies every tiny difference between
# them by :math:`\Sigma / \varepsilon` in each iteration, :math:`\Sigma` the covariance of the data. Below
# its largest eigenvalue differences grow; above, they die.
#
# Cooling is also a way to start: who comes from the heat has not been misled by where he began.

critical = float(np.linalg.eigvalsh(np.cov(X.T, bias=True))[-1])
cooling = np.geomspace(10, 0.05, 36)
means, tree = np.tile(X.mean(axis=0), (4, 1)), []
for eps in cooling:
    means = soft_means(means + rng.normal(0, 1e-3, means.shape), eps, 40)
    tree.append(means)
tree = np.array(tree)  # (36, 4, 2)
apart = tree.std(axis=1).max(axis=1)
cooled_J = float(((X[:, None] - tree[-1]) ** 2).sum(axis=2).min(axis=1).sum())
random_J = np.array([study.kmeans(X, 4, start="random", seed=seed)[-1].objective for seed in range(50)])

tiny = X.mean(axis=0) + 1e-5 * rng.normal(size=(4, 2))
axis_of_most = np.linalg.eigh(np.cov(X.T, bias=True))[1][:, -1]
growth = {}
for factor in (0.5, 2.0):  # of the critical temperature
    before = (tiny - tiny.mean(axis=0)) @ axis_of_most
    after = soft_means(tiny, factor * critical, 1)
    growth[factor] = float(np.abs((after - after.mean(axis=0)) @ axis_of_most).sum() / np.abs(before).sum())

figure, axis = plt.subplots(figsize=(8, 4))
for k, (color, line) in enumerate(zip(palette, ("-", "--", "-.", ":"))):
    axis.semilogx(cooling, tree[:, k, 0], line, color=color, linewidth=2.2)
axis.axvline(critical, color=style.RED, linestyle="--", linewidth=1.6)
axis.text(critical * 1.1, 1.6, rf"$\lambda_{{max}}(\Sigma)$ = {critical:.2f}", ha="right")
axis.set(
    xlabel=r"$\varepsilon$, falling to the right",
    ylabel=r"means, $x_1$",
    title="Cooling: together, then apart",
)
axis.invert_xaxis()

# %%
# The same in HMMs
# ----------------
# Three states in a row, with means 0, 1 and 2 and the variance :math:`\varepsilon`; one noisy row of
# numbers. The forward-backward algorithm says where the path is, with probabilities; Viterbi says where it
# is. Turn the knob, and the first becomes the second.

levels = np.repeat([0.0, 1.0, 2.0], (9, 6, 10))
row = levels + rng.normal(0, 0.35, len(levels))
chain = {}
for eps in temperatures:
    model = study.hmm([1, 0, 0], [[0.8, 0.2, 0], [0, 0.8, 0.2], [0, 0, 0.8]], [0, 0, 0.2], means=[0.0, 1, 2],
                      covariances=[eps, eps, eps])  # fmt: skip
    chain[eps] = study.posteriors(model, row), study.trellis(model, row).path

figure, axes = plt.subplots(5, figsize=(8.5, 7.5), sharex=True, height_ratios=(1.7, 1, 1, 1, 1))
axes[0].plot(row, "o-", color=style.BLACK, markersize=4, linewidth=1.4)
axes[0].set(ylabel="x", yticks=[0, 1, 2])
for axis, (eps, (gamma, path)) in zip(axes[1:], chain.items()):
    image = axis.imshow(gamma.T, aspect="auto", origin="lower", vmin=0, vmax=1)
    axis.plot(path, ".", color=style.RED, markersize=7)
    axis.set(yticks=range(3), yticklabels=(1, 2, 3), ylabel=rf"$\varepsilon$ = {eps:g}")
axes[-1].set_xlabel("frame")
axes[1].set_title(r"state: $\gamma$ (colour), Viterbi's path (dots)")
figure.colorbar(image, ax=axes[1:], label=r"$\gamma$")

# %%
# Two ways to train
# -----------------
# Baum-Welch is EM: it makes :math:`\ln p(X)` greatest, the sum over all paths. Viterbi training is its
# k-means: it makes :math:`\ln p(X, Z^*)` greatest, the best path's score. In lesson 6's terms it takes for q
# a single path, which has no entropy:
#
# .. math:: \ln p(X) = \ln p(X, Z^*) - \ln p(Z^* \mid X)
#
# Each is best at its own game, if by little (and if not caught by a local maximum: both begin with equal
# parts, and may end at different places). Thirty times "seven", by one cepstrum, three, and all thirteen,
# five states with a Gaussian each:

said = speech.features(30, ["seven"])
centered = [(own.frames - own.frames.mean(axis=0)).astype(float) for own in said]
columns = {1: [1], 3: [0, 1, 2], 13: list(range(13))}
games, sure, shown = {}, {}, {}
settings = {"num_states": 5, "num_gauss": 1, "tol": 0, "max_iters": 15}
for dim, some in columns.items():
    words = [own[:, some] for own in centered]
    frames = sum(map(len, words))
    trained = {
        method: study.train("chmm", words, method=method, **settings) for method in ("viterbi", "baum-welch")
    }
    for method, own in trained.items():
        last = own[-1].model
        best_path = sum(study.trellis(last, word).score for word in words) / frames
        games[dim, method] = best_path, study.log_likelihood(last, words) / frames, len(own) - 1
    gamma = study.posteriors(trained["baum-welch"][-1].model, words)
    sure[dim] = float(np.mean(np.concatenate(gamma).max(axis=1) > 0.99))
    shown[dim] = gamma[0], study.trellis(trained["viterbi"][-1].model, words[0]).path
    if dim == 1:
        both = trained

figure, axes = plt.subplots(1, 2, figsize=(10.5, 3.8))
words = [own[:, [1]] for own in centered]
frames = sum(map(len, words))
for (method, own), color, line in zip(both.items(), (style.BLUE, style.RED), ("-", "--")):
    own = own[:12]
    total = [study.log_likelihood(step.model, words) / frames for step in own]
    best = [sum(study.trellis(step.model, word).score for word in words) / frames for step in own]
    axes[0].plot(best, line, color=color, marker="o", markersize=4, label=method)
    axes[1].plot(total, line, color=color, marker="o", markersize=4, label=method)
axes[0].set(xlabel="iteration", ylabel="nats a frame", title=r"best path, $\ln p(X, Z^*)$")
axes[1].set(xlabel="iteration", title=r"all paths, $\ln p(X)$")
axes[0].legend(loc="lower right")

# %%
# Why Viterbi is enough for speech
# --------------------------------
# Every further dimension adds its squared distance to the exponent of :math:`\gamma`, with
# :math:`\varepsilon` what it was: many dimensions are a low temperature. With one cepstrum much is open;
# with thirteen, only a frame or two at each border. So both trainings see almost the same, and Viterbi is
# the cheaper one.

figure, axes = plt.subplots(3, figsize=(8.5, 5.2), sharex=True)
for axis, (dim, (gamma, path)) in zip(axes, shown.items()):
    image = axis.imshow(gamma.T, aspect="auto", origin="lower", vmin=0, vmax=1,
                        extent=(0, len(gamma) * said[0].shift_s, 0.5, 5.5))  # fmt: skip
    axis.plot((np.arange(len(path)) + 0.5) * said[0].shift_s, path + 1, ".", color=style.RED, markersize=4)
    axis.set(ylabel="state", yticks=range(1, 6))
    axis.set_title(f"{dim} dimension{'s' * (dim > 1)}: {100 * sure[dim]:.0f} % of all frames sure to 99 %")
axes[-1].set_xlabel("time (s)")
figure.colorbar(image, ax=axes, label=r"$\gamma$ (Baum-Welch); dots: Viterbi")

# %%
# In numbers
# ----------

print("eps     means from k-means'    mean entropy of gamma (bits)")
for eps, means in warm.items():
    gamma = gamma_of(X, means, eps)
    print(
        f"{eps:5g}   {gap[eps]:18.6f}   {-(gamma * np.log2(np.maximum(gamma, 1e-300))).sum(axis=1).mean():12.4f}"
    )
print(f"J = {J:.3f}; F(0.01) = {F[0]:.3f}, F(10) = {F[-1]:.3f}, its bound {floor[-1]:.3f}")
print(
    f"first split foretold at {critical:.3f}; apart by 0.1 or more from {cooling[apart > 0.1].max():.3f} on"
)
print(
    "a difference grows by",
    ", ".join(f"{value:.3f} ({1 / factor:.3f}) at {factor:g} of it" for factor, value in growth.items()),
)
print(
    f"J: cooled {cooled_J:.3f}; of 50 random starts the least {random_J.min():.3f}, the greatest {random_J.max():.3f}"
)
print("seven        best path   all paths   iterations (at most 15)")
for (dim, method), (best_path, total, iterations) in games.items():
    print(f"{dim:2} {method:10} {best_path:9.4f} {total:11.4f} {iterations:8}")

# %%
# Try next
# --------
# * Give the four components weights of 0.7, 0.1, 0.1, 0.1 at a high and at a low temperature. When do
#   weights matter?
# * In which order do the means part if one heap is far away from the other three? Where does the next split
#   come, and of which covariance is it the
#   eigenvalue?
# * Divide the thirteen cepstra by :math:`\sqrt{13}` before training. Does :math:`\gamma` become softer? And
#   if only the trained model's variances are
#   multiplied by 13?

plt.show()
