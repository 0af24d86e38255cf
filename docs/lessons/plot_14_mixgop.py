r"""
MixGoP, from the formula to the picture
=======================================

How typical is a pronunciation? Take many realisations of a phone by people who speak as one does, fit a
density to them, and ask how likely another realisation is. That is all of it (Choi et al., NAACL 2025;
:doc:`/mixgop` has the commands and the results on real speech). Here the phones are made by the lessons'
synthesiser, so that we know what was said and when, and can have it mispronounced.

**Topics:** goodness of pronunciation, phone alignment, allophones, Gaussian mixture by phone, likelihood and
posterior, log-likelihood ratio, detection of mispronunciations, area under the ROC curve.
"""

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import speech
import style
from scipy.signal import butter, lfilter

import asrkit
from asrkit import study

style.use()
frontend = asrkit.FrontEnd.of("mfcc", sample_rate_hz=speech.RATE_HZ, delta_order=0)

# %%
# Tokens
# ------
# A *token* stands for one realisation of a phone: here the mean of its frames, those whose centre lies
# between its start and its end. 24 speakers say eleven words; each phone keeps its tokens, and what stood
# beside it. Voices and microphones differ more than phones do, so each speaker's mean over all his words is
# taken away first.


def features_of(samples):
    return frontend.features(samples, endpoint=False).astype(np.float64)


def listen(speaker):
    """The eleven words of a speaker, (phones, features) of each, and the mean cepstra (13,) over them."""
    said = {word: speech.say(word, speaker) for word in speech.SPELLED}
    heard = {word: (phones, features_of(samples)) for word, (samples, phones) in said.items()}
    return heard, np.concatenate([feats for _, feats in heard.values()]).mean(axis=0)


def tokens_of(feats, phones):
    """Cut an utterance (T, 13) by its alignment: (P, 13), a token a phone."""
    edges = [np.ceil(np.round([100 * start, 100 * end], 6) - 0.5).astype(int) for _, start, end in phones]
    return np.array([feats[first:last].mean(axis=0) for first, last in edges])


train, tokens, neighbours = {}, {}, {}  # an utterance's phones with their times, and its features
for speaker in range(24):
    heard, middle = listen(speaker)
    for word, (phones, feats) in heard.items():
        train[f"s{speaker:02d}-{word}"] = phones, feats - middle
        found = tokens_of(feats - middle, phones)
        labels = ["#", *(label for label, _, _ in phones), "#"]  # silence before and behind
        for i, (label, _, _) in enumerate(phones):
            tokens.setdefault(label, []).append(found[i])
            neighbours.setdefault(label, []).append(f"{labels[i]} – {labels[i + 2]}")
tokens = {label: np.array(own) for label, own in sorted(tokens.items())}

# %%
# One phone, several sounds
# -------------------------
# T begins *two* and ends *eight*. Beside a vowel, or before silence, it is not the same sound: the tokens are
# two clouds. A Gaussian mixture gives each cloud a component, although nobody tells it about neighbours, and
# that is what the paper means by *allophones*:
#
# .. math:: P(s \mid p) = \sum_c w_{pc}\, N(s \mid \mu_{pc}, \Sigma_{pc})

phone, axes_used = "T", [0, 5]
plane = tokens[phone][:, axes_used]
one = study.train("gmm", plane, num_gauss=1, covariance="full", min_count=1)[-1]
two = study.train("gmm", plane, num_gauss=2, covariance="full", min_count=1, num_starts=5, max_iters=100)[-1]
gamma = study.posteriors(two.model, plane)  # (tokens, components)

around = np.array(neighbours[phone])
counted = Counter(zip(around.tolist(), gamma.argmax(axis=1).tolist()))
figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.4), sharex=True, sharey=True)
marks = dict(zip(sorted(set(around)), "o^sDvP"))
low, high = plane.min(axis=0) - 3, plane.max(axis=0) + 3
grid = np.stack(np.meshgrid(*np.linspace(low, high, 150).T), axis=-1)
for axis, step, name in zip(axes, (one, two), ("one Gaussian", "two")):
    for (where, mark), color in zip(marks.items(), style.COLORS):
        own = plane[around == where]
        axis.scatter(*own.T, s=26, marker=mark, color=color, alpha=0.8, linewidths=0, label=where)
    log_density = step.model.emission.log_likelihood(grid.reshape(-1, 2))[:, 0].reshape(150, 150)
    levels = log_density.max() - np.array([4.5, 2, 0.5])
    axis.contour(
        *np.moveaxis(grid, 2, 0), log_density, levels, colors="0.3", linestyles="solid", linewidths=1.4
    )
    axis.set(xlabel="$c_0$, loudness", title=f"{name}: {step.per_frame:.2f} nats a token")
axes[0].set_ylabel("$c_5$")
axes[0].legend(title=f"{phone} between", loc="upper right")

# %%
# All phones, all thirteen cepstra
# --------------------------------
# Of 48 to 96 tokens a phone little more than a Gaussian with a diagonal covariance can be learned. So be it:
# mean and variance, by hand.

names = list(tokens)
means = np.array([own.mean(axis=0) for own in tokens.values()])
variances = np.array([own.var(axis=0) for own in tokens.values()]) + 1e-5  # as scikit-learn's reg_covar
log_priors = np.log([len(own) for own in tokens.values()])
log_priors -= np.logaddexp.reduce(log_priors)

# %%
# Three scores of a token s that should be phone p:
#
# .. math::
#
#    \text{loglik} &= \ln P(s \mid p) \\
#    \text{posterior} &= \ln \frac{\pi_p P(s \mid p)}{\sum_q \pi_q P(s \mid q)} \\
#    \text{ratio} &= \ln P(s \mid p) - \max_{q \ne p} \ln P(s \mid q)
#
# The first asks: is this a *typical* p? The others: is it a p *rather than another phone*?


def score(found, labels):
    """Scores of tokens (P, 13) that should be the phones `labels`: a dict of (P,), and the strongest rivals."""
    away = found[:, None] - means  # (P, Q, 13)
    each = -0.5 * (np.log(2 * np.pi * variances) + away**2 / variances).sum(axis=2)
    rows, own = np.arange(len(labels)), [names.index(label) for label in labels]
    loglik, joint = each[rows, own], each + log_priors
    posterior = joint[rows, own] - np.logaddexp.reduce(joint, axis=1)
    each[rows, own] = -np.inf
    rivals = [names[q] for q in each.argmax(axis=1)]
    return {"loglik": loglik, "posterior": posterior, "ratio": loglik - each.max(axis=1)}, rivals


# %%
# A lisp
# ------
# A speaker who is not in the training says *six*, once as one does, once with TH for both S. The boxes are
# what should have been said, coloured by the posterior; below the scores the phone that was heard instead.

_, middle = listen(36)
right = speech.say("S IH . K S", speaker=36)
wrong = speech.say("TH IH . K TH", speaker=36)
asked = ["S", "IH", ".", "K", "S"]

figure, axes = plt.subplots(2, 2, figsize=(9.5, 5.2), height_ratios=(3, 1), sharex="col")
lisp = {}
for column, ((samples, phones), name) in enumerate(zip((right, wrong), ('"six"', '"thikth"'))):
    lisp[name], rivals = score(tokens_of(features_of(samples) - middle, phones), asked)
    axes[0, column].specgram(samples, NFFT=128, Fs=speech.RATE_HZ, noverlap=96, vmin=-110, cmap="magma")
    axes[0, column].set_title(f"{name}: mean posterior {lisp[name]['posterior'].mean():.2f}")
    for (_, start, end), label, value, rival in zip(phones, asked, lisp[name]["posterior"], rivals):
        color = plt.get_cmap("cividis")(np.clip(1 + value / 12, 0, 1))
        axes[1, column].barh(0, end - start, left=start, color=color, height=1, edgecolor="white")
        ink = "black" if value > -5 else "white"
        center, text = (start + end) / 2, label if value > np.log(0.5) else f"{label}\n({rival})"
        axes[1, column].text(
            center,
            0,
            f"{text}\n{np.round(value, 1) + 0.0:.1f}",
            ha="center",
            va="center",
            color=ink,
            fontsize=9,
        )
    axes[1, column].set(yticks=[], xlabel="time (s)", ylim=(-0.5, 0.5))
axes[0, 0].set_ylabel("frequency (Hz)")
axes[1, 0].set_ylabel("posterior (nats)", fontsize=9)

# %%
# Which score finds mispronunciations?
# ------------------------------------
# Eight other speakers say all words, each once right and once with sounds exchanged. The area under the ROC
# curve is the chance that a wrong phone scores below a right one,
#
# .. math:: \text{AUC} = P(\text{score}_\text{wrong} < \text{score}_\text{right})
#
# .5 is tossing a coin. Then another kind of being atypical: the same words, all phones right, but a hand
# before the mouth, or what a filter at 1500 Hz makes of them.

exchanged = {"S": "TH", "TH": "F", "R": "W", "IH": "IY", "EH": "AH", "AO": "UW", "Z": "S", "V": "W"}
hand = butter(4, 1500, fs=speech.RATE_HZ)
tested = {"right": [], "exchanged": [], "muffled": []}  # (P, 3) arrays of the three scores
for speaker in range(24, 32):
    _, middle = listen(speaker)
    for asked in map(str.split, speech.SPELLED.values()):
        for kind in tested:
            said = [exchanged.get(label, label) if kind == "exchanged" else label for label in asked]
            samples, phones = speech.say(" ".join(said), speaker, take=1)
            if kind == "muffled":
                samples = lfilter(*hand, samples).astype(np.float32)
            scores, _ = score(tokens_of(features_of(samples) - middle, phones), asked)
            kept = [i for i, label in enumerate(asked) if label in exchanged]  # the same phones in all three
            tested[kind].append(np.stack([own[kept] for own in scores.values()], axis=1))
tested = {kind: np.concatenate(own) for kind, own in tested.items()}


def auc(worse, better):
    """The chance that one of `worse` (M,) is below one of `better` (N,); ties count half."""
    return ((worse[:, None] < better).mean() + (worse[:, None] <= better).mean()) / 2


kinds = ("loglik", "posterior", "ratio")
areas = {
    kind: [auc(tested[kind][:, i], tested["right"][:, i]) for i in range(3)]
    for kind in ("exchanged", "muffled")
}

figure, axes = plt.subplots(1, 3, figsize=(10, 3.6))
for i, (axis, kind) in enumerate(zip(axes, kinds)):
    low = np.percentile(np.concatenate([own[:, i] for own in tested.values()]), 15 if i == 0 else 22)
    top = max(own[:, i].max() for own in tested.values())
    for name, color, line in (
        ("right", style.BLUE, "-"),
        ("exchanged", style.RED, "--"),
        ("muffled", style.GREEN, ":"),
    ):
        values = np.sort(tested[name][:, i])
        axis.step(
            values, np.arange(1, len(values) + 1) / len(values) * 100, color=color, linestyle=line, label=name
        )
    axis.set(xlabel=f"{kind} (nats)", xlim=(low, top), ylim=(0, 100))
    axis.set_title(f"AUC {areas['exchanged'][i]:.2f} exchanged,\n{areas['muffled'][i]:.2f} muffled")
axes[0].set_ylabel("phones with less (%)")
axes[1].legend(loc="upper left")

# %%
# Who says *another* phone is found by the posterior: the sound he makes is a good one, of somebody else.
# Damage of every kind lowers the likelihood, but not so much the posterior: all phones become less likely
# together. Two questions, two scores.
#
# The same by command
# -------------------
# ``asrkit mixgop train`` takes a data directory and an alignment; ``asrkit.PronunciationScorer`` scores from
# Python. With one diagonal Gaussian a phone and the mean of the frames as the token, it is the formula above.

with tempfile.TemporaryDirectory() as folder:
    data = Path(folder)
    for utt, (_, feats) in train.items():
        np.save(data / f"{utt}.npy", feats)
    (data / "feats.scp").write_text("".join(f"{utt} {data / utt}.npy\n" for utt in sorted(train)))
    (data / "phones.ctm").write_text("".join(
        f"{utt} 1 {start:.4f} {end - start:.4f} {label}\n"
        for utt, (phones, _) in sorted(train.items()) for label, start, end in phones
    ))  # fmt: skip
    command = (
        "mixgop train --num-gauss 1 --covariance diag --pooling mean --min-tokens 20 --delta-order 0".split()
    )
    subprocess.run(
        [sys.executable, "-m", "asrkit", *command, data, data, data / "exp"], check=True, capture_output=True
    )
    scorer = asrkit.PronunciationScorer.load(data / "exp")
by_command = scorer.score(
    features_of(wrong[0]) - listen(36)[1],
    [(label, start, end) for label, (_, start, end) in zip("S IH . K S".split(), wrong[1])],
)

# %%
# In numbers
# ----------

by_hand = lisp['"thikth"']
difference = max(abs(own.log_likelihood - value) for own, value in zip(by_command, by_hand["loglik"]))
print(f"{len(train)} utterances, {sum(map(len, tokens.values()))} tokens of {len(tokens)} phones")
print(f"{phone}: {one.per_frame:.3f} nats a token with one Gaussian, {two.per_frame:.3f} with two")
print(
    "  its components and neighbours:",
    {f"{c} of {where}": int(n) for (where, c), n in sorted(counted.items())},
)
print("AUC of        " + "  ".join(f"{kind:>9}" for kind in kinds))
for name, own in areas.items():
    print(f"  {name:10}  " + "  ".join(f"{value:9.2f}" for value in own))
print("lisped phones, posterior:", " ".join(f"{own.phone} {own.posterior:.2f}" for own in by_command))
print(f"by hand and by command: log-likelihoods differ by {difference:.1e} at most")

# %%
# Try next
# --------
# * Other phones: which have components that know their neighbours, V, UW, IY? ``gamma`` and ``around`` tell.
#   (``asrkit mixgop clusters`` counts it for every phone.)
# * Give ``tokens_of`` the centre frame for the mean, as the paper has it. Which areas fall, and why?
# * Leave the speakers' means out, in training and test. Which of the three scores suffers most, and why?

plt.show()
