r"""
Diagonal or full covariances?
=============================

A full covariance knows how dimensions vary together; a diagonal one pretends that they don't. The first has
half as many parameters again as D squared, the second has D. What is lost, what is saved, and why does
everybody compute cepstra before a diagonal model?

**Topics:** covariance matrix, correlation, number of parameters, AIC and BIC, model selection, decorrelation,
discrete cosine transform, PCA, LDA, invariance under linear maps, held-out likelihood.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import speech
import style
from scipy.fft import dct
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from asrkit.sklearn import WordClassifier

style.use()

# %%
# Filterbanks are correlated
# --------------------------
# The logarithms of 23 mel filters, as lesson 9 made them, less each recording's mean. Neighbouring filters
# rise and fall together, and all of them with the loudness. The cosine transform of the same numbers, the
# cepstra, has hardly any correlation left.

utterances = speech.features(24, kind_name="fbank", num_mel_bins=23)
train = [own for i, own in enumerate(utterances) if i % 24 < 16]
test = [own for i, own in enumerate(utterances) if i % 24 >= 16]
y_train, y_test = ([own.word for own in part] for part in (train, test))
spaces = {
    "filterbank": tuple([own.frames - own.frames.mean(axis=0) for own in part] for part in (train, test))
}
spaces["cepstra (DCT)"] = tuple([dct(x, norm="ortho") for x in part] for part in spaces["filterbank"])
frames = {name: np.concatenate(part[0]).astype(np.float64) for name, part in spaces.items()}

figure, axes = plt.subplots(1, 2, figsize=(9, 4))
for axis, (name, own) in zip(axes, frames.items()):
    image = axis.imshow(np.abs(np.corrcoef(own.T)), vmin=0, vmax=1, cmap="cividis", origin="lower")
    axis.set(title=f"{name}: |correlation|", xlabel="dimension", ylabel="dimension")
figure.colorbar(image, ax=axes, label="|correlation|")

# %%
# What a diagonal Gaussian loses, exactly
# ---------------------------------------
# Fit one full and one diagonal Gaussian to the same frames, both by maximum likelihood. Both have
# :math:`-D/2` in the exponent on average, the variances cancel, and what is left is the determinant of the
# correlation matrix R:
#
# .. math:: \frac1N \left( \ln p_\text{full} - \ln p_\text{diag} \right) = -\tfrac12 \ln |R|
#
# In two dimensions that is :math:`-\frac12 \ln (1 - \rho^2)`: nothing for :math:`\rho = 0`, and without limit
# as :math:`\rho` goes to 1. Three maps make R a unit matrix, more or less: the DCT for speech in general;
# PCA, the eigenvectors of the covariance, exactly, for the frames that it was made of; LDA for the scatter
# within classes. Words are no classes here: a recording less its mean has the mean zero, whatever was said.
# So each word is cut into three parts, 33 classes.


def fit(x):
    """Mean log density of x (N, D) under its own maximum-likelihood Gaussian: full, and diagonal."""
    dim = x.shape[1]
    full = -0.5 * (dim * np.log(2 * np.pi) + np.linalg.slogdet(np.cov(x.T, bias=True))[1] + dim)
    diagonal = -0.5 * (dim * np.log(2 * np.pi) + np.log(x.var(axis=0)).sum() + dim)
    return full, diagonal


labels = np.repeat(y_train, [len(x) for x in spaces["filterbank"][0]])
thirds = np.concatenate([3 * np.arange(len(x)) // len(x) for x in spaces["filterbank"][0]])
lda = LinearDiscriminantAnalysis(n_components=12).fit(
    frames["filterbank"], np.char.add(labels, thirds.astype(str))
)
maps = {"PCA": PCA().fit(frames["filterbank"]), "LDA": lda}
for name, fitted in maps.items():
    spaces[name] = tuple(
        [fitted.transform(x.astype(np.float64)) for x in part] for part in spaces["filterbank"]
    )
    frames[name] = np.concatenate(spaces[name][0])
loss = {name: fit(own)[0] - fit(own)[1] for name, own in frames.items()}
by_word = {
    name: np.mean([np.subtract(*fit(own[labels == word])) for word in sorted(set(labels))])
    for name, own in frames.items()
}

figure, axis = plt.subplots(figsize=(8, 3.6))
place = np.arange(len(loss))
axis.bar(place - 0.2, list(loss.values()), 0.4, label="all frames", color=style.SKY)
axis.bar(place + 0.2, list(by_word.values()), 0.4, label="frames of one word (mean)", color=style.BLUE)
axis.set_xticks(place, [f"{name}, {own.shape[1]}" for name, own in frames.items()])
axis.set(ylabel="lost by a diagonal (nats a frame)", xlabel="space, and its dimensions")
axis.legend()

# %%
# PCA makes the correlations of *all* frames zero. Within a word there are others, and they stay: one rotation
# can't serve eleven ellipses. That is why mixtures of diagonal Gaussians are used even after it: several
# small ellipses along the axes make up a slanted one.
#
# A full covariance does not care
# -------------------------------
# For an invertible map :math:`y = Ax` a full Gaussian's density only changes by the constant :math:`\ln|A|`.
# The DCT with all 23 terms is a rotation, so :math:`\ln|A| = 0`: the same likelihoods, the same errors, to
# the last word. All the art of decorrelating is for the diagonal model alone.
#
# And the diagonal model, which has won twenty nats a frame by the DCT? With one Gaussian a word it makes as
# many errors as before. What is won under all words alike decides nothing between them: likelihood is not
# error rate. (That the full model is so far ahead has a reason, too. Every recording has lost its mean, so
# one Gaussian can know a word by its covariance alone.)


def trial(space, covariance, k):
    """Train one mixture a word, and test it: a dict of what came of it."""
    x_train, x_test = spaces[space]
    settings = {"delta_order": 0, "cmvn": "none", "calibrate": False, "shared_frames": 0.0}
    settings |= {"num_starts": 1, "variance_floor": 1e-6}
    model = WordClassifier("gmm", num_gauss=k, covariance=covariance, **settings).fit(x_train, y_train)
    began, fits = time.perf_counter(), []
    for x, y in ((x_test, y_test), (x_train, y_train)):
        scores = model.decision_function(x)
        own = scores[np.arange(len(y)), np.searchsorted(model.classes_, y)]
        fits.append(own.sum())
        if x is x_test:
            errors, seconds = int(np.sum(model.predict(x) != np.array(y))), (time.perf_counter() - began) / 2
    dim, count = x_train[0].shape[1], sum(map(len, x_train))
    each = dim + (dim if covariance == "diag" else dim * (dim + 1) // 2)  # a mean and a covariance
    parameters = len(model.classes_) * (k * (each + 1) - 1)
    return {"errors": errors, "parameters": parameters, "train": fits[1] / count, "test": fits[0] / sum(map(len, x_test)),
            "aic": 2 * parameters - 2 * fits[1], "bic": parameters * np.log(count) - 2 * fits[1], "seconds": seconds}  # fmt: skip


in_space = {name: {form: trial(name, form, 1) for form in ("diag", "full")} for name in spaces}

figure, axis = plt.subplots(figsize=(8, 3.6))
for offset, form, color in ((-0.2, "diag", style.ORANGE), (0.2, "full", style.BLUE)):
    wrong = [100 * own[form]["errors"] / len(y_test) for own in in_space.values()]
    axis.bar(place + offset, wrong, 0.4, color=color, label={"diag": "diagonal", "full": "full"}[form])
axis.set_xticks(place, in_space)
axis.set(
    ylabel="wrong test words (%)", xlabel="space", title=f"One Gaussian a word, {len(y_test)} test words"
)
axis.legend()

# %%
# How many, and of which kind?
# ----------------------------
# A mixture of diagonal Gaussians can follow correlations, too, with enough of them. So compare at equal
# numbers of *parameters*. The likelihood of the training always prefers more of them, so one either looks at
# held-out speech, or charges for them:
#
# .. math:: \text{AIC} = 2P - 2\ln p, \qquad \text{BIC} = P \ln N - 2 \ln p
#
# (the smaller, the better; N frames). Both take frames for independent. They aren't, so they charge too
# little.

grid = {("diag", k): trial("cepstra (DCT)", "diag", k) for k in (1, 2, 4, 8, 16)}
grid |= {("full", k): trial("cepstra (DCT)", "full", k) for k in (1, 2, 4)}

figure, axes = plt.subplots(1, 2, figsize=(9.5, 4))
for form, color, mark in (("diag", style.ORANGE, "o-"), ("full", style.BLUE, "s-")):
    own = {k: row for (kind, k), row in grid.items() if kind == form}
    size = [row["parameters"] for row in own.values()]
    axes[0].semilogx(size, [row["test"] for row in own.values()], mark, color=color, label=f"{form}, test")
    axes[0].semilogx(
        size,
        [row["train"] for row in own.values()],
        mark[0] + ":",
        color=color,
        alpha=0.6,
        label=f"{form}, training",
    )
    for k, row in own.items():
        axes[0].annotate(
            f"{k}", (row["parameters"], row["test"]), (2, -13), textcoords="offset points", fontsize=9
        )
    axes[1].semilogx(
        size, [row["bic"] / 1000 for row in own.values()], mark, color=color, label=f"{form}, BIC"
    )
    axes[1].semilogx(
        size,
        [row["aic"] / 1000 for row in own.values()],
        mark[0] + ":",
        color=color,
        alpha=0.6,
        label=f"{form}, AIC",
    )
axes[0].set(xlabel="parameters", ylabel="ln p a frame (nats)", title="Likelihood; numbers: Gaussians")
axes[1].set(xlabel="parameters", ylabel="criterion (1000)", title="What AIC and BIC would take")
for axis in axes:
    axis.legend(fontsize=9)

# %%
# In numbers
# ----------

print("lost by a diagonal Gaussian, nats a frame (all frames; within words):")
for name in loss:
    print(f"  {name:14} {loss[name]:6.2f} {by_word[name]:6.2f}   wrong of {len(y_test)}: "
          f"{in_space[name]['diag']['errors']:2} diagonal, {in_space[name]['full']['errors']:2} full")  # fmt: skip
print("form  K  parameters  training   test  AIC/1000  BIC/1000  wrong  test's seconds")
for (form, k), row in grid.items():
    print(f"{form}  {k:2} {row['parameters']:9} {row['train']:10.2f} {row['test']:7.2f} {row['aic'] / 1000:8.1f} "
          f"{row['bic'] / 1000:9.1f} {row['errors']:5} {row['seconds']:10.2f}")  # fmt: skip
best = {name: min(grid, key=lambda key: grid[key][name]) for name in ("aic", "bic")}
best["test"] = max(grid, key=lambda key: grid[key]["test"])
print("best:", ", ".join(f"{name}: {k} {form}" for name, (form, k) in best.items()))

# %%
# Try next
# --------
# * Keep 13 of the 23 cepstra. What happens to the errors of the full model, and is it the lost information,
#   or the saved parameters?
# * Halve the training (``i % 24 < 8``). Which of the two kinds suffers more?
# * PCA to 10 dimensions instead of 23 (``PCA(10)``): what is thrown away has little variance. Has it little
#   information?

plt.show()
