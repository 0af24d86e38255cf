r"""
The homework
============

330 recordings to train on, 110 to test on, eleven kinds of words: zero to nine, and oh. Train one Gaussian
mixture a word, recognise the test, and find out how many Gaussians it takes. Many a course on speech
recognition begins with this, and it holds all of it: a model, an estimate, a decision, and the question what
an error rate is worth.

The course's own features are taken where the environment variable ASRKIT_COURSE names its folder (03-GMM-EM),
else other speech that is at hand.

**Topics:** isolated-word recognition, Bayes decision, GMM by word, error rate against the number of
Gaussians, training and test set, overfitting, confusion matrix, confidence interval.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import speech
import style

import asrkit
from asrkit.sklearn import WordClassifier

style.use()

# %%
# The task
# --------
# A word is a matrix, one row a frame: 13 cepstra, their slopes and their slopes' slopes. Made words, and the
# course's, are tested with speakers who are not in the training; FSDD has six, who are in both.

given = speech.course()
if given:
    train, test = given
    deltas = 0  # the course's features have them already
else:
    spoken, deltas = speech.features(40), 2  # forty of each word: thirty for the training
    train = [own for i, own in enumerate(spoken) if i % 40 < 30]
    test = [own for i, own in enumerate(spoken) if i % 40 >= 30]
x_train, x_test = ([own.frames for own in part] for part in (train, test))
y_train, y_test = ([own.word for own in part] for part in (train, test))
words = sorted(set(y_train))
num_frames = sum(map(len, x_train))
print(f"{len(train)} training words ({num_frames} frames), {len(test)} test words, {len(words)} kinds")

# %%
# One mixture a word
# ------------------
# Each word w gets a mixture, trained by EM on all frames of its thirty recordings. It takes the frames of a
# recording for independent, so their log densities are added, and the word whose sum is largest is what was
# said:
#
# .. math:: \hat w = \arg\max_w \sum_t \ln \sum_{k=1}^{K} c_{wk}\, N(x_t \mid \mu_{wk}, \Sigma_{wk})
#
# How large should K be? Try: 1, 2, 4, ... (``shared_frames=0`` lets each word learn its covariances alone, as
# in the lecture.)

settings = {"delta_order": deltas, "cmvn": "none", "calibrate": False, "shared_frames": 0.0, "num_starts": 1}
sizes = (1, 2, 4, 8, 16, 32)
errors, per_frame, seconds, heard, scores = {}, {}, {}, {}, {}
for k in sizes:
    began = time.perf_counter()
    model = WordClassifier("gmm", num_gauss=k, covariance="diag", **settings).fit(x_train, y_train)
    seconds[k] = time.perf_counter() - began
    found, fits = [], []
    for x, y in ((x_train, y_train), (x_test, y_test)):
        table = model.decision_function(x)  # (utterances, words): the sums over t
        found.append(model.classes_[table.argmax(axis=1)])
        own = table[np.arange(len(y)), np.searchsorted(model.classes_, y)]  # of the word that was said
        fits.append(own.sum() / sum(map(len, x)))
    errors[k] = [int(np.sum(f != np.array(y))) for f, y in zip(found, (y_train, y_test))]
    per_frame[k], heard[k], scores[k] = fits, found[1], table

# %%
# Error rate against K
# --------------------
# The bars are 95 % intervals. They are wide! Of 110 words, five wrong may stand for anything from 2 to 10 %.
# Most of what one is tempted to read into the wiggles of such a curve is chance.

reports = {k: asrkit.score_errors(y_test, heard[k].tolist()) for k in sizes}
rate = {k: 100 * report.wer for k, report in reports.items()}
interval = {k: [100 * end for end in report.interval] for k, report in reports.items()}

figure, axis = plt.subplots()
bars = [[rate[k] - interval[k][0] for k in sizes], [interval[k][1] - rate[k] for k in sizes]]
axis.errorbar(sizes, list(rate.values()), bars, fmt="o-", color=style.RED, capsize=4, label="test")
axis.plot(sizes, [100 * errors[k][0] / len(train) for k in sizes], "s--", color=style.BLUE, label="training")
axis.set_xscale("log", base=2)
axis.set_xticks(sizes, sizes)
axis.set(xlabel="Gaussians a word, K", ylabel="wrong words (%)", ylim=(0, None))
axis.legend()

# %%
# What more Gaussians learn
# -------------------------
# The log-likelihood says more, for it counts every frame. In the training it rises with every Gaussian that
# is added; it has to. In the test it rises less and less, and in the end it falls: so far the Gaussians
# learned speech, from here on these thirty recordings. Errors may go on falling after that, since all words
# overfit alike, and a decision only compares them.

figure, axis = plt.subplots()
for part, name, color, mark in ((0, "training", style.BLUE, "s--"), (1, "test", style.RED, "o-")):
    axis.plot(sizes, [per_frame[k][part] for k in sizes], mark, color=color, label=name)
axis.set_xscale("log", base=2)
axis.set_xticks(sizes, sizes)
axis.set(xlabel="Gaussians a word, K", ylabel="ln p a frame (nats), the word's own model")
axis.legend()

# %%
# Who is taken for whom
# ---------------------
# With one Gaussian. Mistakes are hardly ever between any two words: the words share sounds, and a mixture
# does not know in which order they came.

first = reports[1]
figure, axis = plt.subplots(figsize=(7, 5.6))
share = 100 * first.confusion[:, :-1] / np.maximum(1, first.confusion.sum(axis=1, keepdims=True))
image = axis.imshow(share, cmap="cividis", vmin=0, vmax=100)
for i, j in zip(*np.nonzero(first.confusion[:, :-1])):
    ink = "black" if share[i, j] > 50 else "white"
    axis.text(j, i, first.confusion[i, j], ha="center", va="center", color=ink)
axis.set_xticks(range(len(first.words)), first.words, rotation=45)
axis.set_yticks(range(len(first.words)), first.words)
axis.set(xlabel="heard", ylabel="said", title="Test words, K = 1")
figure.colorbar(image, ax=axis, label="of the words said (%)")

# %%
# How sure is a decision?
# -----------------------
# The lead of the right word over the best wrong one, in nats: a negative lead is an error. Divided by the
# frames, for longer words have larger leads. Read as a posterior, a lead of 50 nats would mean one error in
# :math:`10^{21}`. That is nonsense, and the reason is the model's: frames are not independent. (asrkit
# calibrates its confidences for that, ``asrkit.load(...).recognize(...).confidence``.)

lead = {}
for k in (1, 16):
    own = np.searchsorted(words, y_test)
    others = scores[k].copy()
    others[np.arange(len(own)), own] = -np.inf
    lead[k] = scores[k][np.arange(len(own)), own] - others.max(axis=1)

figure, axis = plt.subplots()
lengths = np.array(list(map(len, x_test)))
edges = np.linspace(
    min((own / lengths).min() for own in lead.values()),
    max((own / lengths).max() for own in lead.values()),
    40,
)
for (k, own), color, fill in zip(lead.items(), (style.ORANGE, style.BLUE), (True, False)):
    axis.hist(own / lengths, edges, color=color, alpha=0.6 if fill else 1, histtype="stepfilled" if fill else "step", linewidth=2,
              label=f"K = {k}: {np.sum(own < 0)} wrong, median lead {np.median(own):.0f} nats")  # fmt: skip
axis.axvline(0, color="black", linewidth=1)
axis.set(xlabel="lead of the right word (nats a frame)", ylabel="test words")
axis.legend()

# %%
# In numbers
# ----------

print(" K  wrong of training, test   95 % interval   nats a frame, training, test   seconds")
for k in sizes:
    low, high = interval[k]
    print(f"{k:2}  {errors[k][0]:8} {errors[k][1]:13}   {low:5.1f} to {high:4.1f} %   "
          f"{per_frame[k][0]:14.2f} {per_frame[k][1]:10.2f} {seconds[k]:12.1f}")  # fmt: skip

# %%
# Try next
# --------
# * ``covariance="full"``: how many full Gaussians are as good as 32 diagonal ones? Count the parameters of
#   both.
# * Leave the slopes out (``delta_order=0``, of made words). Which words are confused now, and why these?
# * ``WordClassifier("chmm", num_states=8, num_gauss=1, ...)`` knows the order of the frames. Is it better?
#   Are 110 words enough to say so?

plt.show()
