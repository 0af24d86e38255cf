r"""
The continuous HMM
==================

A mixture hears a word's frames as a heap. A hidden Markov model hears them in order: states follow each other
from left to right, each has a mixture of its own, and nobody says which frame belongs to which state. That is
worked out, in two ways: along the best path, and over all of them.

**Topics:** left-right HMM, state mixtures, splitting, Viterbi training, forced alignment, trellis, forward
and backward probabilities, state posterior γ, transition posterior ξ, Baum-Welch, recognition, log-likelihood
ratio.
"""

import matplotlib.pyplot as plt
import numpy as np
import speech
import style
from scipy.special import logsumexp

import asrkit
from asrkit import study

style.use()
frontend = asrkit.FrontEnd.of("mfcc", sample_rate_hz=speech.RATE_HZ, cmvn="utterance", delta_order=1)
spoken = speech.recordings(12)  # of each word ten for the training and two others
feats = [frontend.features(own.samples, endpoint=False).astype(np.float64) for own in spoken]  # (T, 26) each
words = list(dict.fromkeys(own.word for own in spoken))
train = {word: feats[12 * w : 12 * w + 10] for w, word in enumerate(words)}

# %%
# Mixtures that grow
# ------------------
# A state's density is
#
# .. math:: b_j(x) = \sum_m c_{jm}\, N(x \mid \mu_{jm}, \Sigma_{jm})
#
# Training begins with each recording cut into six equal parts, one Gaussian a state. Then, again and again:
# find the best path, give each frame to its state, estimate anew (Viterbi training). When that gains no more,
# each Gaussian is split in two, a little apart, and it goes on. Within a stage the curve only rises.

settings = {"num_states": 6, "num_gauss": 4, "covariance": "diag", "variance_floor": 0.05}
steps = study.train("chmm", train["seven"], **settings)
per_frame = np.array([step.per_frame for step in steps])
gaussians = np.array([step.model.num_gauss for step in steps])  # of all six states
model = steps[-1].model

figure, axis = plt.subplots()
for count, color in zip(dict.fromkeys(gaussians.tolist()), style.COLORS):
    some = np.flatnonzero(gaussians == count)
    axis.plot(some, per_frame[some], "o-", color=color, markersize=5, label=f"{count}")
axis.set(xlabel="iteration", ylabel="ln p a frame (nats), best path")
axis.legend(title="Gaussians in six states")

# %%
# Which frame is in which state?
# ------------------------------
# The trellis has a row for each state and a column for each frame; D(t, j) is the score of the best way
# there:
#
# .. math:: D(t, j) = \max_i \left[ D(t-1, i) + \ln a_{ij} \right] + \ln b_j(x_t)
#
# From the end one goes back the way one came. Of two speakers, who are not in the training, the same states
# find the same sounds, though they last differently long.


def spectrogram(axis, samples):
    axis.specgram(samples, NFFT=160, Fs=speech.RATE_HZ, noverlap=120, vmin=-110, cmap="magma")
    axis.set_ylim(0, speech.RATE_HZ / 2)


held = [i for i in range(len(spoken)) if i % 12 >= 10]  # the two others of each word
two = [i for i in held if spoken[i].word == "seven"]
figure, axes = plt.subplots(2, 2, figsize=(9.5, 5), height_ratios=(3, 1), sharex="col")
for column, i in enumerate(two):
    found = study.trellis(model, feats[i])
    spectrogram(axes[0, column], spoken[i].samples)
    starts = np.flatnonzero(np.diff(found.path, prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(found.path)]):
        state = found.path[start]
        begin, width = (
            start * 0.01 + 0.0075,
            (end - start) * 0.01,
        )  # a frame's middle is 12.5 ms from its start
        axes[1, column].barh(
            0, width, left=begin, height=1, color=plt.get_cmap("viridis")(state / 5), edgecolor="white"
        )
        axes[1, column].text(begin + width / 2, 0, f"{state + 1}", ha="center", va="center",
                             color="black" if state > 3 else "white")  # fmt: skip
        axes[0, column].axvline(begin, color="white", linewidth=1, linestyle="--")
    axes[0, column].set_title(f'"seven", {spoken[i].speaker}')
    axes[1, column].set(yticks=[], xlabel="time (s)", ylim=(-0.5, 0.5))
axes[0, 0].set_ylabel("frequency (Hz)")
axes[1, 0].set_ylabel("state")

# %%
# All paths: forward, backward
# ----------------------------
# Put a sum for the maximum, and it is the forward probability; run it from the end, and it is the backward
# one:
#
# .. math:: \alpha_t(j) = \left[ \sum_i \alpha_{t-1}(i)\, a_{ij} \right] b_j(x_t) \qquad \beta_t(i) = \sum_j a_{ij}\, b_j(x_{t+1})\, \beta_{t+1}(j)
#
# :math:`\alpha` knows the past only, :math:`\beta` the future only. Their product knows all, and its sum over
# the states is the same number at *every* frame, the likelihood of the word:
#
# .. math:: \gamma_t(j) = \frac{\alpha_t(j)\, \beta_t(j)}{p(x)}, \qquad p(x) = \sum_j \alpha_t(j)\, \beta_t(j)
#
# Each column below is normalised. See how sharp :math:`\gamma` is: to decide for the best path, as Viterbi
# training does, loses little.

x = feats[two[0]]
log_alpha, log_beta = study.forward(model, x), study.backward(model, x)
gamma, xi = study.posteriors(model, x, transitions=True)  # (T, S) and (T - 1, S, S)
total = logsumexp(log_alpha + log_beta, axis=1)  # (T,): the same at every frame
best = study.trellis(model, x)

figure, axes = plt.subplots(3, figsize=(8, 6.4), sharex=True)
names = (r"$\alpha$: the past", r"$\beta$: the future", r"$\gamma$: both")
for axis, log_p, name in zip(axes, (log_alpha, log_beta, np.log(np.maximum(gamma, 1e-300))), names):
    share = np.exp(log_p - logsumexp(log_p, axis=1, keepdims=True))
    image = axis.imshow(
        share.T,
        aspect="auto",
        origin="lower",
        vmin=0,
        vmax=1,
        interpolation="nearest",
        extent=(0, len(x), 0.5, 6.5),
    )
    axis.set(ylabel="state", yticks=range(1, 7), title=name)
axes[2].step(
    np.arange(len(x)) + 0.5, best.path + 1, where="mid", color=style.RED, linewidth=1.5, label="best path"
)
axes[2].legend(loc="upper left", labelcolor="white")
axes[2].set_xlabel("frame")
figure.colorbar(image, ax=axes, label="share of the column")

# %%
# When does the state change?
# ---------------------------
# :math:`\xi_t(i, j)` is the probability that it goes from i to j between frames t and t + 1. From each state
# to the next there is one bump, of area one: one does pass there, only when is not quite sure. Summed over
# all frames, :math:`\xi` is the expected number of transitions, and Baum-Welch's new transition probability
# is
#
# .. math:: a_{ij} = \frac{\sum_t \xi_t(i, j)}{\sum_t \gamma_t(i)}

passing = np.array([xi[:, i, i + 1] for i in range(5)])  # (5, T - 1)
stay = xi.sum(axis=0).diagonal() / gamma.sum(axis=0)  # the new a_jj, were this recording all there is

figure, axis = plt.subplots(figsize=(8, 3.6))
for i, color in enumerate(style.COLORS[:5]):
    axis.plot(np.arange(1, len(x)) + 0.5, passing[i], color=color, label=f"{i + 1} to {i + 2}")
axis.set(xlabel="frame", ylabel=r"$\xi_t(j, j+1)$", ylim=(0, 1.3))
axis.legend(ncols=5, loc="upper left")

# %%
# Recognition, and what decides it
# --------------------------------
# One model a word; the word is the one whose model gives the recording the highest likelihood. The held-out
# recordings are heard through noise, as loud as a tenth of the word's power, else hardly one would be
# mistaken. Where does a decision come from? The forward probabilities say it frame by frame: their sum is
# :math:`p(x_1 \ldots x_t)`, so of two models
#
# .. math:: L(t) = \ln \frac{p(x_1 \ldots x_t \mid \text{said})}{p(x_1 \ldots x_t \mid \text{rival})}
#
# grows where the sound is more like the word that was said, and falls where it is more like its rival. Left
# the word with a lead that is typical, right the one with the least of all: below zero, it is mistaken.

small = {**settings, "num_gauss": 2}
models = {word: study.train("chmm", own, **small)[-1].model for word, own in train.items()}
rng, noisy, scores = np.random.default_rng(0), {}, []
for i in held:
    clean = spoken[i].samples
    noise = rng.normal(0, np.sqrt(0.1 * np.mean(clean**2)), len(clean))  # 10 dB below the word
    samples = (clean + noise).astype(np.float32)
    noisy[i] = samples, frontend.features(samples, endpoint=False).astype(np.float64)
    scores.append([study.log_likelihood(each, noisy[i][1]) for each in models.values()])
scores = np.array(scores)  # (recordings, words)
own = np.array([words.index(spoken[i].word) for i in held])
others = scores.copy()
others[np.arange(len(held)), own] = -np.inf
lead = (scores[np.arange(len(held)), own] - others.max(axis=1)) / [
    len(feats[i]) for i in held
]  # nats a frame
errors = int((lead < 0).sum())
chosen = {"typical": int(np.argsort(lead)[len(lead) // 2]), "least": int(lead.argmin())}

figure, axes = plt.subplots(2, 2, figsize=(9.5, 5.6), sharex="col")
course = {}
for column, (name, place) in enumerate(chosen.items()):
    i, rival = held[place], words[others[place].argmax()]
    said = spoken[i].word
    sums = [logsumexp(study.forward(models[word], noisy[i][1]), axis=1) for word in (said, rival)]
    course[name] = sums[0] - sums[1]  # L(t)
    spectrogram(axes[0, column], noisy[i][0])
    axes[0, column].set_title(f'"{said}" against "{rival}"')
    times = np.arange(len(course[name])) * 0.01 + 0.0125
    axes[1, column].plot(times, course[name], color=style.BLUE)
    axes[1, column].axhline(0, color="black", linewidth=1)
    axes[1, column].fill_between(
        times, course[name], 0, where=course[name] < 0, color=style.RED, alpha=0.3, interpolate=True
    )
    axes[1, column].set(xlabel="time (s)")
axes[0, 0].set_ylabel("frequency (Hz)")
axes[1, 0].set_ylabel("L(t) (nats)")

# %%
# In numbers
# ----------

print(
    f"{len(steps)} iterations, {gaussians[-1]} Gaussians in six states: {per_frame[0]:.2f} to {per_frame[-1]:.2f} nats a frame"
)
print(f"ln p from every frame's alpha and beta: {total.min():.6f} to {total.max():.6f}")
print(f"the best path alone: {best.score:.4f}, all paths: {study.log_likelihood(model, x):.4f}")
print(
    f"transitions expected: {xi.sum():.6f} of {len(x) - 1}; from each state to the next: {passing.sum(axis=1).round(4)}"
)
print(f"held out, in noise: {errors} of {len(held)} words wrong; least lead {lead.min():.2f} nats a frame")

# %%
# Try next
# --------
# * ``num_states=1`` makes it a mixture. How many of the held-out words are wrong then? And with three, with
#   twelve states?
# * Train with ``method="baum-welch"``. How much higher is the likelihood, and does a decision change?
# * Play the word backwards, ``feats[i][::-1]``. Which of the two models minds, the mixture or the HMM?

plt.show()
