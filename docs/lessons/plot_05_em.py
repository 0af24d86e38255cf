r"""
EM, step by step
================

Three hundred people were measured, and nobody wrote down who is a woman and who is a man. Knew we who is
who, we could compute two Gaussians; knew we the Gaussians, we could guess who is who. EM begins with any
guess and does the one, then the other, until nothing moves.

**Topics:** Gaussian mixture model, complete and incomplete data, E step, M step, responsibilities,
log-likelihood, convergence, initialisation, local maxima, singularities and variance floors.
"""

import matplotlib.pyplot as plt
import numpy as np
import speech
import style

from asrkit import study

style.use()

# %%
# With known sex: counting
# ------------------------
# 180 women and 120 men (drawn by chance), in tenths of a centimetre. If each one's sex is known, the most
# likely parameters are those of each group:
#
# .. math:: \pi_k = \frac{N_k}{N} \qquad \mu_k = \frac{1}{N_k}\sum_{n \in k} x_n \qquad \sigma_k^2
#           = \frac{1}{N_k}\sum_{n \in k} (x_n - \mu_k)^2

rng = np.random.default_rng(2)
is_man = np.arange(300) >= 180
heights = np.where(is_man, rng.normal(180, 6.5, 300), rng.normal(166, 6, 300)).round(1)  # cm
groups = [heights[~is_man], heights[is_man]]
known = study.mixture(
    [len(own) / 300 for own in groups], [own.mean() for own in groups], [own.var() for own in groups]
)


def parameters(model):
    """Weights, means and variances of a mixture over one dimension, (K,) each."""
    emission = model.emission
    return np.exp(emission.log_weights[0]), emission.means[0, :, 0], emission.variances[0, :, 0]


def curves(model, x):
    """Each component's share of the density, weight times Gaussian, at x (N,): (N, K)."""
    weight, mean, variance = parameters(model)
    return weight * np.exp(-((x[:, None] - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


x = np.linspace(145, 205, 400)
bins = np.arange(145, 206, 2.5)
colors = (style.BLUE, style.ORANGE)
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True)
axes[0].hist(groups, bins, stacked=True, density=True, color=colors, alpha=0.6, label=("women", "men"))
for k, line in enumerate(("-", "--")):
    axes[0].plot(x, curves(known, x)[:, k], line, color=colors[k])
axes[0].set(xlabel="height (cm)", ylabel="density (1/cm)", title="Sex known: two groups, two Gaussians")
axes[0].legend()
axes[1].hist(heights, bins, density=True, color="0.75")
axes[1].set(xlabel="height (cm)", title="Sex unknown: what EM gets to see")

# %%
# With unknown sex: the two steps by hand
# ---------------------------------------
# **E step.** Each person is a woman *to some degree*: the responsibility of component :math:`k` for
# :math:`x_n` is, by Bayes,
#
# .. math:: \gamma_{nk} = \frac{\pi_k \, \mathcal{N}(x_n \mid \mu_k, \sigma_k^2)}{\sum_j \pi_j \, \mathcal{N}(x_n \mid \mu_j, \sigma_j^2)}
#
# **M step.** The same averages as above, only that each person counts in both groups, with weight
# :math:`\gamma_{nk}`:
#
# .. math:: N_k = \sum_n \gamma_{nk} \qquad \pi_k = \frac{N_k}{N} \qquad \mu_k
#           = \frac{1}{N_k}\sum_n \gamma_{nk} x_n \qquad
#           \sigma_k^2 = \frac{1}{N_k}\sum_n \gamma_{nk} (x_n - \mu_k)^2

first = study.mixture([0.5, 0.5], [150.0, 170.0], [100.0, 100.0])  # a bad guess, on purpose

model, by_hand = first, []
for _ in range(60):
    joint = curves(model, heights)
    by_hand.append(np.log(joint.sum(axis=1)).sum())  # ln p(X) = sum_n ln sum_k
    gamma = joint / joint.sum(axis=1, keepdims=True)  # E
    count = gamma.sum(axis=0)
    mean = gamma.T @ heights / count  # M
    model = study.mixture(count / 300, mean, (gamma * (heights[:, None] - mean) ** 2).sum(axis=0) / count)

# %%
# These few lines are all there is. ``study.train`` does the same on any number of dimensions and keeps every
# step. (By default it leaves out Gaussians with few points; of 300 numbers we want none left out, and no end
# before nothing moves.)

plain = {"num_gauss": 2, "min_count": 1, "min_occ": 0, "weight_floor": 0.0, "tol": 0, "max_iters": 150}
steps = study.train("gmm", heights, start=first, **{**plain, "max_iters": 800})
log_likelihoods = [step.objective for step in steps]
difference = max(abs(own - hand) for own, hand in zip(log_likelihoods, by_hand))

# %%
# Colour the bars by the responsibilities, and see it happen. First both share the crowd; then the left one
# takes the smaller people and becomes narrow; the rest is slow work.

figure, axes = plt.subplots(2, 3, figsize=(10.5, 6), sharex=True, sharey=True)
centers = (bins[1:] + bins[:-1]) / 2
histogram = np.histogram(heights, bins, density=True)[0]
for axis, iteration in zip(axes.flat, (0, 1, 2, 20, 100, len(steps) - 1)):
    step = steps[iteration]
    share = study.posteriors(step.model, centers)  # gamma at the middle of each bar
    axis.bar(centers, histogram * share[:, 0], 2.4, color=colors[0], alpha=0.5)
    axis.bar(centers, histogram * share[:, 1], 2.4, histogram * share[:, 0], color=colors[1], alpha=0.5)
    for k, line in enumerate(("-", "--")):
        axis.plot(x, curves(step.model, x)[:, k], line, color=colors[k])
    axis.set_title(rf"iteration {iteration}: $\ln p$ = {step.objective:.1f}")
for axis in axes[1]:
    axis.set_xlabel("height (cm)")
for axis in axes[:, 0]:
    axis.set_ylabel("density (1/cm)")

# %%
# The log-likelihood rises in every iteration; why it must is lesson 6. The first step is a leap of 140 nats.
# Twenty later :math:`\ln p` is within one nat of its end, and a curve of it would say "done". But weights
# and means are not: the left component grows from 0.3 to 0.56, for hundreds of iterations more (mind the
# logarithmic axis). *That ln p is nearly still does not mean that the model is.* Where components overlap,
# EM creeps; lesson 6 computes by how much.

tracks = np.array([parameters(step.model) for step in steps])  # (iterations, 3, K)
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6))
count = np.arange(len(steps)) + 1
axes[0].semilogx(count, log_likelihoods, color=style.BLACK)
axes[0].axhline(study.log_likelihood(known, heights), color=style.RED, linestyle=":", label="sex known")
axes[0].set(xlabel="iteration + 1", ylabel=r"$\ln p(X)$ (nats)", ylim=(-1100, -1083))
axes[0].legend(loc="lower right")
for k, (color, line) in enumerate(zip(colors, ("-", "--"))):
    mean, deviation = tracks[:, 1, k], np.sqrt(tracks[:, 2, k])
    axes[1].semilogx(count, mean, line, color=color)
    axes[1].fill_between(count, mean - deviation, mean + deviation, color=color, alpha=0.2)
    axes[1].axhline(groups[k].mean(), color=style.RED, linestyle=":")
    axes[2].semilogx(count, tracks[:, 0, k], line, color=color)
    axes[2].axhline(len(groups[k]) / 300, color=style.RED, linestyle=":")
axes[1].set(xlabel="iteration + 1", ylabel=r"$\mu_k \pm \sigma_k$ (cm)")
axes[2].set(xlabel="iteration + 1", ylabel=r"weight $\pi_k$", ylim=(0, 1))

# %%
# A surprise in the left picture: EM's model is *likelier* than the one with the sex known (dotted). It is
# not better for that. EM was free to choose the two groups that explain these 300 numbers best, and they are
# not quite women and men.
#
# Weights fixed and free
# ----------------------
# Who knows that three of five are women may hold the weights (``update_weights=False``), and EM comes nearer
# to the truth, and sooner. Who holds wrong ones is not told so by the likelihood: it is one nat lower, and
# means and variances bend until nearly the same heights come out.

held = {name: study.train("gmm", heights, start=study.mixture(weights, [150.0, 170.0], [100.0, 100.0]), update_weights=False, **plain)
        for name, weights in (("right", [0.6, 0.4]), ("wrong", [0.8, 0.2]))}  # fmt: skip

figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.8), sharey=True)
for axis, name, own in zip(
    axes, ("free", "held, right", "held, wrong"), (steps, held["right"], held["wrong"])
):
    weight, mean, variance = parameters(own[-1].model)
    axis.bar(centers, histogram, 2.4, color="0.82")
    for k, line in enumerate(("-", "--")):
        said = rf"$\pi$ = {weight[k]:.2f}, $\mu$ = {mean[k]:.1f}, $\sigma$ = {variance[k] ** 0.5:.1f}"
        axis.plot(x, curves(own[-1].model, x)[:, k], line, color=colors[k], label=said)
    axis.plot(x, curves(own[-1].model, x).sum(axis=1), color=style.BLACK, linewidth=1.4)
    axis.set(xlabel="height (cm)", ylim=(0, 0.068))
    axis.set_title(rf"weights {name}: $\ln p$ = {own[-1].objective:.1f}")
    axis.legend(loc="upper right")
axes[0].set_ylabel("density (1/cm)")

# %%
# Collapse, and what a floor does
# -------------------------------
# Let one component start narrow, on 158.6 cm, which four people happen to have to the millimetre. It needs
# only these four: with :math:`\sigma \to 0` the density at a point that it sits on,
# :math:`1 / \sqrt{2\pi\sigma^2}`, grows beyond all bounds, and the other component looks after everybody
# else. EM climbs, as it promised; maximum likelihood *wants* this. A variance floor forbids it, here a
# hundredth of the variance of all, and from there EM finds its way back to women and men.

narrow = study.mixture([0.5, 0.5], [158.6, 172.0], [0.04, 100.0])
collapsed = study.train("gmm", heights, start=narrow, variance_floor=0, **plain)
floored = study.train("gmm", heights, start=narrow, variance_floor=0.01, **plain)
least_sigma = {
    name: np.sqrt([parameters(step.model)[2].min() for step in own])
    for name, own in (("no floor", collapsed), ("floor 0.01", floored), ("a better start", steps))
}

figure, axes = plt.subplots(1, 2, figsize=(10, 4))
for (name, sigma), own, color, line in zip(
    least_sigma.items(), (collapsed, floored, steps), (style.RED, style.GREEN, style.BLUE), ("-", "--", "-.")
):
    axes[0].plot([step.objective for step in own[:151]], line, color=color, label=name)
    axes[1].semilogy(sigma[:151], line, color=color, label=name)
axes[0].set(
    xlabel="iteration", ylabel=r"$\ln p(X)$ (nats)", ylim=(-1105, -1072), title="The worst model wins"
)
axes[0].legend(loc="lower right")
axes[1].set(xlabel="iteration", ylabel=r"smaller $\sigma$ (cm)", title="... with a component of no width")

# %%
# (Even "no floor" has one, a billionth, for no computer divides by zero.) The collapsed model has the
# highest likelihood of this page and explains four people. That is the one known flaw of maximum likelihood
# for mixtures: its global maximum is worthless, and what one wants is a *good local* one.
#
# Where to start: random and k-means
# ----------------------------------
# Five vowels of eighty speakers each, by their first two formants. A speaker's throat is long or short and
# moves both formants together, so the clouds are oblique, and want full covariances. EM gets the 400 points
# without labels, and starts from five of them drawn by chance (``init="random"``), thirty times; and from
# the clusters of k-means.

vowels = ("IY", "EH", "AA", "AO", "UW")
tract = rng.normal(1, 0.08, (80, 1))
formants = np.concatenate(
    [speech.SOUNDS[v][:2] * tract * rng.normal(1, 0.05, (80, 2)) for v in vowels]
)  # (400, 2) in Hz
settings = {**plain, "num_gauss": 5, "covariance": "full", "num_starts": 1, "tol": 1e-5, "max_iters": 200}
random_starts = [study.train("gmm", formants, init="random", seed=seed, **settings) for seed in range(30)]
kmeans_start = study.train("gmm", formants, init="kmeans", **settings)
final = np.array([own[-1].objective for own in random_starts])
best, worst = random_starts[final.argmax()], random_starts[final.argmin()]


def ellipses(axis, model, color, line="-"):
    """Draw each component's ellipse at two standard deviations."""
    circle = 2 * np.array([np.cos(np.linspace(0, 2 * np.pi, 90)), np.sin(np.linspace(0, 2 * np.pi, 90))])
    for mean, covariance in zip(model.emission.means[0], model.emission.covariances[0]):
        axis.plot(
            *(mean[:, None] + np.linalg.cholesky(covariance) @ circle), line, color=color, linewidth=1.6
        )


figure, axes = plt.subplots(1, 2, figsize=(10, 4))
for own in random_starts:
    axes[0].plot([step.per_frame for step in own], color=style.SKY, linewidth=1.4)
axes[0].plot([], color=style.SKY, label="30 random starts")
axes[0].plot([step.per_frame for step in kmeans_start], color=style.RED, linewidth=2.4, label="k-means start")
axes[0].set(xlabel="iteration", ylabel=r"$\ln p$ a point (nats)", xlim=(0, 100))
axes[0].set_ylim(final.min() / 400 - 0.25, final.max() / 400 + 0.05)
axes[0].legend(loc="lower right")
axes[1].hist(final / 400, 25, color=style.SKY)
axes[1].axvline(kmeans_start[-1].per_frame, color=style.RED, linewidth=2.4)
axes[1].set(xlabel=r"$\ln p$ a point in the end (nats)", ylabel="starts")

# %%
# Steps in the curves are moments of decision: EM sits for a while near a saddle, two components sharing one
# cloud, and then they part. Some starts never get to the end that others find. The k-means start has a head
# start of ten iterations, and yet is not the best: k-means cuts the long cloud of IY in two (it likes round
# ones), and one ellipse must do for AA and AO. The worst and the best of them, and the way of the means:

figure, axes = plt.subplots(1, 3, figsize=(11.5, 4.2), sharex=True, sharey=True)
for axis, name, own in zip(
    axes, ("worst random start", "best random start", "k-means"), (worst, best, kmeans_start)
):
    for i, (vowel, mark) in enumerate(zip(vowels, "os^Dv")):
        axis.scatter(
            *formants[80 * i : 80 * i + 80].T, s=9, marker=mark, color=style.COLORS[i], alpha=0.55,
            linewidths=0, label=vowel,
        )  # fmt: skip
    way = np.array([step.model.emission.means[0] for step in own])  # (iterations, K, 2)
    for k in range(5):
        axis.plot(*way[:, k].T, color="0.35", linewidth=1.4)
        axis.plot(*way[0, k], "x", color="0.2", markersize=7)
    ellipses(axis, own[-1].model, style.BLACK)
    axis.set(xlabel="$F_1$ (Hz)", title=f"{name}:\n{own[-1].per_frame:.3f} nats a point")
axes[0].set_ylabel("$F_2$ (Hz)")
axes[2].legend(markerscale=2, loc="upper right")

# %%
# In numbers
# ----------

print("                 weights        means           deviations    ln p")
for name, own in (
    ("sex known", known),
    ("EM", steps[-1].model),
    ("weights right", held["right"][-1].model),
    ("weights wrong", held["wrong"][-1].model),
    ("collapsed", collapsed[-1].model),
    ("floored", floored[-1].model),
):
    weight, mean, variance = parameters(own)
    sigma, total = np.sqrt(variance), study.log_likelihood(own, heights)
    print(
        f"{name:13}  {weight[0]:5.3f} {weight[1]:5.3f}   {mean[0]:6.2f} {mean[1]:6.2f}   {sigma[0]:7.4f} {sigma[1]:6.3f}   {total:9.3f}"
    )
print(f"EM by hand and by asrkit: ln p differs by {difference:.1e} at the most")
print(
    f"vowels: ln p a point {kmeans_start[-1].per_frame:.4f} from k-means, {final.max() / 400:.4f} from the best random start,"
)
print(
    f"  {final.min() / 400:.4f} from the worst; {np.sum(final > final.max() - 1)} of 30 within one nat of the best"
)

# %%
# Try next
# --------
# * Start both components with the same mean and the same variance. What do they become, and why does no
#   number of iterations help?
# * Move the men to 171 cm. Has the density still two tops? What does EM find, and how many steps does it
#   take?
# * Give the vowels ``covariance="diag"``. How many components does it take until the likelihood is that of
#   five full ones?

plt.show()
