r"""
Why EM works
============

EM never looks at the slope of the likelihood, needs no step size, and still never goes down. The reason fits
in a picture: it builds a curve below the likelihood that touches it where we stand, and goes to the top of
that curve.

**Topics:** latent variables, Jensen's inequality, the function Q, evidence lower bound, Kullback-Leibler
divergence, EM as coordinate ascent, saddle points, rate of convergence, Baum-Welch as EM.
"""

import matplotlib.pyplot as plt
import numpy as np
import style

from asrkit import study

style.use()

# %%
# One parameter, to be able to see it
# -----------------------------------
# Forty numbers from two Gaussians of variance 1. Everything is known but one mean:
#
# .. math:: p(x \mid \theta) = 0.6\,\mathcal{N}(x \mid 0, 1) + 0.4\,\mathcal{N}(x \mid \theta, 1)
#
# The logarithm of a *sum* stands in the way: :math:`\sum_n \ln \sum_k` can't be solved for :math:`\theta`.
# If each number's component :math:`z_n` were known, the sum would be gone, and :math:`\theta` a mean.

rng = np.random.default_rng(5)
X = np.where(rng.random(40) < 0.6, rng.normal(0, 1, 40), rng.normal(3, 1, 40))


def model(theta):
    return study.mixture([0.6, 0.4], [0.0, theta], [1.0, 1.0])


def m_step(theta):
    """The theta that makes Q(theta, theta_old) greatest: a mean weighted by the responsibilities."""
    gamma = study.posteriors(model(theta), X)[:, 1]  # E step
    return gamma @ X / gamma.sum()


thetas = np.linspace(-4, 6, 151)
log_likelihood = np.array([study.log_likelihood(model(theta), X) for theta in thetas])
way = [-2.5]
for _ in range(40):
    way.append(m_step(way[-1]))

# %%
# Any q gives a bound
# -------------------
# Take any distribution :math:`q` over the latent variable. By Jensen's inequality, or by multiplying out,
#
# .. math:: \ln p(X \mid \theta)
#           = \underbrace{\sum_Z q(Z) \ln \frac{p(X, Z \mid \theta)}{q(Z)}}_{L(q, \theta)} +
#           \underbrace{\sum_Z q(Z) \ln \frac{q(Z)}{p(Z \mid X, \theta)}}_{KL(q \,\|\, p)}
#
# A KL divergence is never negative, so :math:`L` is a lower bound, whatever :math:`q` is. Here for a single
# number, :math:`x = 1.8`, and all the :math:`q` there are: the chance of component 2 from 0 to 1. **The E
# step** is to go to the top of this curve. There :math:`q` is the posterior :math:`\gamma`, and nothing is
# lost.

x_one, theta_one = 1.8, 3.0
joint = (
    np.exp(study.log_likelihood(study.mixture([1.0], [0.0], [1.0]), [x_one])) * 0.6,
    np.exp(study.log_likelihood(study.mixture([1.0], [theta_one], [1.0]), [x_one])) * 0.4,
)  # p(x, z = 1) and p(x, z = 2)
q = np.linspace(1e-6, 1 - 1e-6, 401)
bound_one = (1 - q) * np.log(joint[0] / (1 - q)) + q * np.log(joint[1] / q)  # L(q, theta)
gamma_one = study.posteriors(model(theta_one), [x_one])[0, 1]
evidence_one = study.log_likelihood(model(theta_one), [x_one])

figure, axis = plt.subplots(figsize=(7, 4))
axis.plot(q, bound_one, color=style.BLUE, label=r"$L(q, \theta)$")
axis.axhline(evidence_one, color=style.BLACK, linestyle="--", label=r"$\ln p(x \mid \theta)$")
axis.plot(
    gamma_one, evidence_one, "o", color=style.RED, markersize=9, label=rf"$q = \gamma$ = {gamma_one:.2f}"
)
axis.annotate(
    "", (0.15, evidence_one), (0.15, np.interp(0.15, q, bound_one)), arrowprops={"arrowstyle": "<->"}
)
axis.text(0.17, evidence_one - 0.12, r"$KL(q\|p)$")
axis.set(xlabel="q(z = 2)", ylabel="nats", ylim=(evidence_one - 1.1, evidence_one + 0.15))
axis.set_title("The E step: the best q for a given model")
axis.legend(loc="lower right")

# %%
# The bound touches the curve
# ---------------------------
# Now :math:`q` is held, as the posterior at :math:`\theta_{old}`, and :math:`\theta` moves. The part of
# :math:`L` that moves is
#
# .. math:: Q(\theta, \theta_{old}) = \sum_Z p(Z \mid X, \theta_{old}) \ln p(X, Z \mid \theta),
#           \qquad L = Q + H(q)
#
# with the logarithm *inside* the sum: a parabola. **The M step** goes to its top. As the bound touches the
# likelihood at :math:`\theta_{old}` and is below it everywhere else, whatever the bound gains the likelihood
# has gained at least.

figure, axes = plt.subplots(1, 2, figsize=(11, 4.5))
bounds = {}
for axis, shown in zip(axes, ((0, 1, 2), (0,))):
    axis.plot(thetas, log_likelihood, color=style.BLACK, linewidth=2.4, label=r"$\ln p(X \mid \theta)$")
    for i, color, line in zip(shown, (style.BLUE, style.ORANGE, style.GREEN), ("--", "-.", ":")):
        old = model(way[i])
        bounds[i] = np.array([study.lower_bound(model(theta), X, old) for theta in thetas])
        near = bounds[i] > -155  # below that the legend stands
        label = rf"$L$, touching at $\theta_{i}$ = {way[i]:.2f}"
        axis.plot(thetas[near], bounds[i][near], line, color=color, label=label)
        touch, top = study.log_likelihood(old, X), study.lower_bound(model(way[i + 1]), X, old)
        axis.plot(way[i], touch, "o", color=color, markersize=8)
        axis.plot(way[i + 1], top, "^", color=color, markersize=8)
    axis.set(xlabel=r"$\theta$", xlim=(-4, 6))
axes[0].set(ylabel="nats", ylim=(-192, -72), title="Touch (dots), climb (triangles), touch again")
axes[0].legend(loc="lower left")
start = model(way[0])
q_curve = np.array([study.q_function(model(theta), X, start) for theta in thetas])
near = q_curve > -155
label = r"$Q(\theta, \theta_0)$ = $L - H$"
axes[1].plot(thetas[near], q_curve[near], color=style.PINK, linestyle=(0, (3, 1)), label=label)
axes[1].set(ylim=(-192, -72), title="Q is the bound, lower by the entropy of q")
axes[1].legend(loc="lower left")

# %%
# Bound and curve do not only meet in the dots, they have the same slope there (else they would cross). So
# where EM stands still, at the top of a bound that touches, the likelihood's slope is zero, too. That is all
# EM promises: a place without slope, no more.

h = 1e-4
slope = [
    (study.log_likelihood(model(t + h), X) - study.log_likelihood(model(t - h), X)) / (2 * h) for t in way[:3]
]
slope_of_bound = [
    (study.lower_bound(model(t + h), X, model(t)) - study.lower_bound(model(t - h), X, model(t))) / (2 * h)
    for t in way[:3]
]

# %%
# Three bars for every step
# -------------------------
# The same way as bars, twenty nats a step at its steepest. The black line is :math:`\ln p`, and :math:`L`
# and :math:`KL` together reach it to the last digit. An E step turns KL into L and leaves the line where it
# is. An M step raises L; and as q is then the posterior of yesterday's model, a new KL opens, by which the
# line rises, too.

rows = []  # (step, L, KL, ln p)
for i, theta in enumerate(way[:9]):
    new = model(theta)
    for name, before in [("M", model(way[i - 1]))][: i > 0] + [("E", new)]:
        bound, gap = study.lower_bound(new, X, before), study.kl(before, new, X)
        rows.append((f"{name}{i}", bound, gap, study.log_likelihood(new, X)))
error = max(abs(bound + gap - total) / abs(total) for _, bound, gap, total in rows)

figure, axis = plt.subplots(figsize=(10, 4))
base = rows[0][1] - 10
place = np.arange(len(rows))
L, gap, total = np.array([row[1:] for row in rows]).T
axis.bar(place, L - base, 0.7, base, color=style.BLUE, alpha=0.7, label=r"$L(q, \theta)$")
axis.bar(place, gap, 0.7, L, color=style.ORANGE, hatch="//", edgecolor="white", label=r"$KL(q\|p)$")
axis.step(np.append(place, place[-1] + 1) - 0.5, np.append(total, total[-1]), where="post", color=style.BLACK,
          label=r"$\ln p(X \mid \theta)$")  # fmt: skip
axis.set_xticks(place, [name for name, *_ in rows])
axis.set(xlabel="step", ylabel="nats", ylim=(base, total.max() + 3))
axis.legend(loc="upper left")

# %%
# Two parameters: tops, mirror tops and a saddle
# ----------------------------------------------
# Both means unknown, equal weights. Every solution has a mirror image, because nobody says which component
# is called the first. Between them lies a saddle with both means in one place. Who starts on the diagonal
# stays on it: the E step gives each number half and half, and the M step gives both means the same half.
# Random starts exist to avoid just that.


def surface(first, second):
    """ln p(X) for two means, of any shape."""
    each = [-0.5 * (X - np.asarray(mean)[..., None]) ** 2 for mean in (first, second)]
    return (np.logaddexp(*each) - np.log(2) - 0.5 * np.log(2 * np.pi)).sum(axis=-1)


def climb(means, iterations=60):
    """EM over both means: the way, (iterations + 1, 2)."""
    found = [np.array(means)]
    for _ in range(iterations):
        gamma = study.posteriors(study.mixture([0.5, 0.5], found[-1], [1.0, 1.0]), X)
        found.append(gamma.T @ X / gamma.sum(axis=0))
    return np.array(found)


side = np.linspace(-3.5, 6, 120)
ground = surface(*np.meshgrid(side, side))
ways = {start: climb(start) for start in ((-3.0, -2.0), (5.5, 5.0), (-2.5, 5.5), (-3.0, -3.0))}
saddle = ways[-3.0, -3.0][-1]

figure, axis = plt.subplots(figsize=(6.8, 5.4))
levels = ground.max() - np.array([200, 140, 100, 70, 45, 30, 20, 12, 7, 4, 2, 1, 0.3, 0])
filled = axis.contourf(side, side, ground, levels, cmap="cividis", extend="min")
for own, color, mark in zip(ways.values(), ("white", style.ORANGE, style.SKY, style.PINK), "osD^"):
    axis.plot(
        *own.T, "-", color=color, marker=mark, markersize=5, markeredgecolor="black", markeredgewidth=0.6
    )
axis.plot([-3.5, 6], [-3.5, 6], ":", color="white", linewidth=1.4)
axis.plot(*saddle, "x", color="white", markersize=11, markeredgewidth=3)
axis.set(xlabel=r"$\mu_1$", ylabel=r"$\mu_2$", aspect="equal", title="EM's ways; the cross: a saddle")
figure.colorbar(filled, ax=axis, label=r"$\ln p(X)$ (nats)", format="%.0f")

# %%
# How fast?
# ---------
# Near the top, each iteration leaves the same part of the error. Which part can be read from the curvatures
# there, of the likelihood and of the bound:
#
# .. math:: \frac{\theta_{i+1} - \theta^*}{\theta_i - \theta^*}
#           \to 1 - \frac{\partial^2 \ln p \,/\, \partial\theta^2}{\partial^2 Q \,/\, \partial\theta^2}
#
# The bound is always the sharper curve; the wider it is below the likelihood, the shorter the steps. The
# difference is what we don't know about the components, the *missing information*. Where they lie apart
# little is missing, and each step brings nearly a digit; where they overlap it creeps.


def curvature(value, top, h=1e-3):
    """The second derivative, by differences."""
    return (value(top + h) - 2 * value(top) + value(top - h)) / h**2


def converge(distance):
    """EM on 400 numbers from means so far apart: its errors, the rate foretold, the rate at the end."""
    own_rng = np.random.default_rng(1)
    many = np.where(own_rng.random(400) < 0.6, own_rng.normal(0, 1, 400), own_rng.normal(distance, 1, 400))
    thetas = [distance + 1.5]
    for _ in range(300):
        gamma = study.posteriors(model(thetas[-1]), many)[:, 1]
        thetas.append(gamma @ many / gamma.sum())
    top = thetas[-1]
    of_likelihood = curvature(lambda theta: study.log_likelihood(model(theta), many), top)
    of_q = curvature(lambda theta: study.q_function(model(theta), many, model(top)), top)
    left = np.abs(np.array(thetas) - top)
    left = left[left > 1e-9]
    return left, 1 - of_likelihood / of_q, left[-1] / left[-2]


errors, rates = {}, {}
for distance in (1.0, 2.0, 4.0):
    errors[distance], *rates[distance] = converge(distance)

figure, axis = plt.subplots(figsize=(7.5, 4))
for (distance, left), color, mark in zip(errors.items(), (style.RED, style.ORANGE, style.BLUE), "os^"):
    some = slice(0, 40)
    axis.semilogy(left[some], mark, color=color, markersize=4.5, label=f"means {distance:.0f} apart")
    first = min(5, len(left) - 1)
    line = left[first] * rates[distance][0] ** (np.arange(len(left))[some] - first)
    axis.semilogy(line, color=color, linewidth=1.4)
axis.set(xlabel="iteration", ylabel=r"$|\theta_i - \theta^*|$", ylim=(1e-9, 10))
axis.set_title("Dots: EM; lines: foretold by the two curvatures")
axis.legend(loc="upper right")

# %%
# And HMMs
# --------
# All parameters of a mixture free, as ``study.train`` has it: the identity holds as well. And nothing above
# asked what the latent variable *is*. In an HMM it is the whole path; the E step is the forward-backward
# algorithm, the M step counts, and all of it together has the name of Baum and Welch, who had it before it
# was called EM. Four rows of symbols, two states, the same three numbers:

plain = {"num_gauss": 2, "min_count": 1, "min_occ": 0, "tol": 0, "max_iters": 6}
steps = study.train("gmm", X, start=study.mixture([0.5, 0.5], [-1.0, 0.5], [4.0, 4.0]), **plain)
free_rows = [
    (study.lower_bound(new.model, X, old.model), study.kl(old.model, new.model, X), new.objective)
    for old, new in zip(steps, steps[1:])
]
sequences = [np.array(row) for row in ([0, 0, 1, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1, 1], [1, 0, 0, 1, 1, 1])]
first = study.hmm([0.6, 0.4], [[0.6, 0.3], [0.2, 0.6]], [0.1, 0.2], symbols=[[0.6, 0.4], [0.5, 0.5]])
floors = {"transition_floor": 0.0, "symbol_floor": 0.0, "tol": 0, "max_iters": 5}
hmm_steps = study.train("dhmm", sequences, start=first, method="baum-welch", topology="ergodic", **floors)
hmm_rows = [
    (
        study.lower_bound(new.model, sequences, old.model),
        study.kl(old.model, new.model, sequences),
        new.objective,
    )
    for old, new in zip(hmm_steps, hmm_steps[1:])
]
free_error, hmm_error = (
    max(abs(L + gap - total) / abs(total) for L, gap, total in own) for own in (free_rows, hmm_rows)
)

# %%
# In numbers
# ----------

print("step     L(q, theta)    KL(q||p)   ln p(X|theta)")
for name, own, gap, total in rows:
    print(f"{name}      {own:12.6f}  {gap:10.6f}    {total:12.6f}")
print("the same after each M step of an HMM:")
for i, (own, gap, total) in enumerate(hmm_rows, 1):
    print(f"M{i}      {own:12.6f}  {gap:10.6f}    {total:12.6f}")
print(f"L + KL = ln p to a part of {max(error, free_error, hmm_error):.1e}")
print(
    "slopes of curve and bound where they touch:",
    ", ".join(f"{a:.4f} {b:.4f}" for a, b in zip(slope, slope_of_bound)),
)
print("rate of convergence, foretold and seen:",
      ", ".join(f"{distance:.0f} apart: {a:.4f} {b:.4f}" for distance, (a, b) in rates.items()))  # fmt: skip
print(f"saddle at {saddle[0]:.4f}, {saddle[1]:.4f}; the mean of all numbers is {X.mean():.4f}")

# %%
# Try next
# --------
# * Take a q that is no posterior, half and half for all numbers, and draw its L into the picture of the
#   bounds. Where does it touch? Why is it still useful?
# * Only go *half* the way to the top of each bound. Does the likelihood still rise (generalised EM)? And
#   with 1.9 times the way, is it faster?
# * Let q be 0 or 1, at the likelier component. What is L then, and which algorithm is that? (Lesson 7.)

plt.show()
