r"""
The discrete HMM
================

A word is a row of symbols (lesson 10). Its model is a few states in a row, each with its own distribution
over the symbols; how long it stays in each, chance decides. Everything that has to be learned is learned by
counting, once one knows which frame belongs to which state. And that is what the trellis finds.

**Topics:** hidden Markov model, left-right topology, entry probabilities, uniform segmentation, relative
frequencies as maximum likelihood, Viterbi algorithm, trellis and back pointers, Viterbi training, zero
probabilities and floors, local maxima, isolated-word recognition.
"""

import matplotlib.pyplot as plt
import numpy as np
import speech
import style

from asrkit import study

style.use()

# %%
# Uniform segmentation, and counting
# ----------------------------------
# Five recordings of a word of three sounds, four symbols, three states. Whoever spoke the third and the
# fifth began too early: the first sound is missing. Nobody knows where a sound ends, so cut each recording
# into three equal parts. Then count:
#
# .. math:: a_{ij} = \frac{\text{steps from } i \text{ to } j}{\text{steps from } i} \qquad
#           b_j(k) = \frac{\text{frames with symbol } k \text{ in state } j}{\text{frames in state } j}

letters = "abcd"
recordings = ["aadabbbbcc", "aaabbcccc", "bbbbcdcc", "adaabbbccc", "bbdbcccc"]
toy = [np.array([letters.index(letter) for letter in row]) for row in recordings]


def uniform(length, num_states):
    """The state of each frame where all states get the same share."""
    return np.arange(length) * num_states // length


def count(rows, paths, num_states, num_symbols):
    """Entry, transition, exit and symbol probabilities by counting along paths."""
    start, leave = np.zeros(num_states), np.zeros(num_states)
    A, B = np.zeros((num_states, num_states)), np.zeros((num_states, num_symbols))
    for row, path in zip(rows, paths):
        start[path[0]] += 1
        np.add.at(A, (path[:-1], path[1:]), 1)
        leave[path[-1]] += 1
        np.add.at(B, (path, row), 1)
    from_each = A.sum(axis=1) + leave
    return start / start.sum(), A / from_each[:, None], leave / from_each, B / B.sum(axis=1, keepdims=True)


cuts = [uniform(len(row), 3) for row in toy]
_, A, leave, B = count(toy, cuts, 3, 4)
p_first = np.full(3, 1 / 3)  # equal parts say nothing of where a word may be entered: anywhere
by_hand = study.hmm(p_first, A, leave, symbols=B)

no_floor = {"transition_floor": 0.0, "symbol_floor": 0.0, "tol": 0}
steps = study.train(
    "dhmm", toy, num_states=3, topology="any-entry", method="viterbi", num_symbols=4, **no_floor
)
same = max(np.abs(getattr(by_hand, name)[np.isfinite(getattr(by_hand, name))]
                  - getattr(steps[0].model, name)[np.isfinite(getattr(by_hand, name))]).max()
           for name in ("log_start", "log_trans", "log_exit"))  # fmt: skip


def show_paths(axis, rows, paths, title):
    """Each recording's symbols, coloured by state."""
    for i, (row, path) in enumerate(zip(rows, paths)):
        for t, (symbol, state) in enumerate(zip(row, path)):
            axis.barh(-i, 0.94, 0.8, t + 0.03, color=style.COLORS[state], alpha=0.6)
            axis.text(t + 0.5, -i, letters[symbol], ha="center", va="center")
    axis.set(xlabel="frame", yticks=-np.arange(len(rows)), yticklabels=range(1, len(rows) + 1), title=title)


last = steps[-1].model
aligned = [study.trellis(last, row).path for row in toy]
figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), sharey=True)
show_paths(axes[0], toy, cuts, "Equal parts")
show_paths(axes[1], toy, aligned, f"Best paths after {len(steps) - 1} iterations")
axes[0].set_ylabel("recording")

# %%
# Why relative frequencies?
# -------------------------
# A state was stayed in :math:`a` times and left :math:`b` times. The probability of that is :math:`p^a q^b`
# with :math:`q = 1 - p`, and it is greatest where
#
# .. math:: \frac{d}{dp}\left(a \ln p + b \ln (1 - p)\right) = \frac ap - \frac b{1-p}
#           = 0 \quad\Rightarrow\quad p = \frac{a}{a + b}
#
# The same with more than two outcomes: it is the M step of every discrete model. More counts, a sharper hill.

p = np.linspace(0.001, 0.999, 999)
figure, axis = plt.subplots(figsize=(7.5, 4))
hills = {}
for (a, b), color, line in zip(((3, 1), (12, 5), (48, 20)), style.COLORS, ("-", "--", "-.")):
    log_hill = a * np.log(p) + b * np.log(1 - p)
    hills[a, b] = p[log_hill.argmax()]
    axis.plot(
        p,
        np.exp(log_hill - log_hill.max()),
        line,
        color=color,
        label=f"a = {a}, b = {b}: top at {a / (a + b):.3f}",
    )
    axis.plot(a / (a + b), 1, "o", color=color)
axis.set(xlabel="p(stay)", ylabel="$p^a q^b$, its top at 1", xlim=(0, 1), ylim=(0, 1.32))
axis.legend(loc="upper left")

# %%
# The trellis
# -----------
# A path through :math:`S` states and :math:`T` frames, one out of thousands. Bellman's idea makes it little
# work: the best way to state :math:`j` at frame :math:`i` is the best way to some state at the frame before,
# and one step more. In logarithms:
#
# .. math:: D(1, j) = \ln p(1, j) + \ln b_j(x_1) \qquad D(i, j)
#           = \max_{j'}\left[D(i-1, j') + \ln a_{j'j}\right] + \ln b_j(x_i)
#
# :math:`p(1, j)` is the chance to enter in state :math:`j`. Keep for each cell where its best way came from;
# at the end, go back.

floored = study.train(
    "dhmm", toy, num_states=3, topology="any-entry", num_symbols=4, symbol_floor=0.02, tol=0
)
model, row = floored[0].model, toy[2]  # the third recording, whose first sound is missing
log_b = model.emission.log_probs[:, row].T  # ln b_j(x_i): (T, S)
D, back = np.full((len(row), 3), -np.inf), np.full((len(row), 3), -1)
D[0] = model.log_start + log_b[0]
for i in range(1, len(row)):
    ways = D[i - 1][:, None] + model.log_trans  # [j', j]
    back[i], D[i] = ways.argmax(axis=0), ways.max(axis=0) + log_b[i]
path = [int((D[-1] + model.log_exit).argmax())]
for i in range(len(row) - 1, 0, -1):
    path.insert(0, int(back[i][path[0]]))

trellis = study.trellis(model, row)  # the same

figure, axes = plt.subplots(3, figsize=(9, 8), sharex=True, sharey=True)
for axis, frames in zip(axes, (1, 4, len(row))):
    shown = np.where(np.arange(len(row))[:, None] < frames, trellis.delta, np.nan)
    axis.imshow(shown.T, origin="lower", aspect="auto", cmap="cividis", vmin=-26, vmax=-1)
    for i in range(frames):
        for j in range(3):
            value = trellis.delta[i, j]
            on_path = frames == len(row) and path[i] == j
            axis.text(i, j - 0.12, f"{value:.1f}", ha="center", va="center", color="black" if value > -13 else "white",
                      weight="bold" if on_path else "normal")  # fmt: skip
            if i and np.isfinite(value):
                arrow = {
                    "arrowstyle": "->",
                    "linewidth": 1.6,
                    "color": style.RED if on_path else "0.3" if value > -13 else "0.85",
                }
                before = trellis.back[i, j]
                axis.annotate("", (i - 0.28, j + 0.2), (i - 0.72, before + 0.2), arrowprops=arrow)
    if frames == len(row):
        for i, j in enumerate(path):
            axis.add_patch(
                plt.Rectangle((i - 0.5, j - 0.5), 1, 1, fill=False, edgecolor=style.RED, linewidth=2)
            )
    axis.set(yticks=range(3), yticklabels=(1, 2, 3), ylabel="state j", ylim=(-0.5, 2.5))
axes[0].set_title("D(i, j): entering, ln p(1, j) + ln b")
axes[1].set_title("four frames filled; arrows: where the best way came from")
axes[2].set_title(f"all filled, and back from the end: ln P = {trellis.score:.2f}")
axes[2].set_xticks(range(len(row)), [f"{i + 1}\n{letters[symbol]}" for i, symbol in enumerate(row)])
axes[2].set_xlabel("frame i, and its symbol")

# %%
# Re-estimate, align, re-estimate
# -------------------------------
# The best paths are a better segmentation than equal parts; so count again along these, and again find the
# best paths. Each half can only raise the total log-probability, exactly as in k-means, and as there it
# stops when no frame changes its state. The entry was a third for every state; counted, two of five
# recordings enter in the second.

entry = np.exp(last.log_start)

# %%
# On speech
# ---------
# Thirty recordings each of four words, as symbols of a codebook of 32 vectors (cepstra, each recording's
# mean taken away). Five states a word. Now a zero matters: a symbol that was never counted in a state would
# forbid it for ever, hence the floor of ``symbol_floor``.

words = ("six", "seven", "eight", "nine")
said = speech.features(42, words)
centered = [(own.frames - own.frames.mean(axis=0)).astype(float) for own in said]
training = [i % 42 < 30 for i in range(len(said))]
some = np.concatenate([x for x, own in zip(centered, training) if own])
unit = some.std(axis=0)
book = study.lbg(some, 32, scale=True, max_iters=10, tol=1e-2)[-1].vectors
book = book[np.argsort(book[:, 1])]  # symbols 0, 1, ...: from hisses to vowels


def symbols_of(x):
    """The nearest code vector of each frame."""
    return (((x[:, None] - book) / unit) ** 2).sum(axis=2).argmin(axis=1)


rows = {word: [symbols_of(x) for x, own, inside in zip(centered, said, training) if inside and own.word == word]
        for word in words}  # fmt: skip
held = [(own.word, symbols_of(x)) for x, own, inside in zip(centered, said, training) if not inside]
settings = {"num_symbols": 32, "symbol_floor": 1e-3, "method": "viterbi", "tol": 0, "max_iters": 30}
trained = {word: study.train("dhmm", own, num_states=5, **settings) for word, own in rows.items()}

figure, axes = plt.subplots(1, 2, figsize=(11, 4), width_ratios=(1, 1.35))
for (word, own), color, mark in zip(trained.items(), style.COLORS, "os^D"):
    axes[0].plot([step.per_frame for step in own], "-" + mark, color=color, markersize=5, label=word)
axes[0].set(xlabel="iteration", ylabel="ln P a frame, best paths (nats)", title="It rises to its end")
axes[0].legend()
seven = trained["seven"]
for i, own in enumerate(rows["seven"][:8]):
    for model, place, alpha in ((seven[0].model, 0.2, 0.4), (seven[-1].model, -0.2, 1)):
        own_path = uniform(len(own), 5) if place > 0 else study.trellis(model, own).path
        for state in range(5):
            inside = np.flatnonzero(own_path == state)
            axes[1].barh(-i + place, len(inside) / len(own), 0.34, inside[0] / len(own), color=style.COLORS[state],
                         alpha=alpha)  # fmt: skip
axes[1].set(xlabel="part of the recording", yticks=-np.arange(8), yticklabels=range(1, 9), xlim=(0, 1))
axes[1].set(ylabel='recording of "seven"', title="Equal parts (pale) and best paths")

# %%
# What it learned: B, a distribution over symbols for each state, before and after. Before, the states look
# alike, for equal parts mix the sounds; after, each has a few symbols of its own. The sum of the rows'
# entropies says the same in one number.

table = {
    name: np.exp(step.model.emission.log_probs)
    for name, step in (("equal parts", seven[0]), ("trained", seven[-1]))
}
entropy_bits = {name: float(-(B * np.log2(B)).sum(axis=1).mean()) for name, B in table.items()}
figure, axes = plt.subplots(1, 2, figsize=(10.5, 3.2), sharey=True)
for axis, (name, B) in zip(axes, table.items()):
    image = axis.imshow(B, aspect="auto", vmin=0, vmax=0.5)
    axis.set(
        xlabel="symbol k",
        yticks=range(5),
        yticklabels=range(1, 6),
        title=f"{name}: {entropy_bits[name]:.2f} bits a state",
    )
axes[0].set_ylabel("state j")
figure.colorbar(image, ax=axes, label="$b_j(k)$")

# %%
# Several starts
# --------------
# Equal parts are one guess. Cut each recording at other places, the same parts for all, and training ends
# elsewhere: in a few iterations, for it can only move borders by what the symbols beside them say. Of twenty
# random starts most end far below. Equal parts are a good guess, as a word's sounds are not that different
# in length; by ln P alone one can choose the best. (``num_starts=20`` does that.)

rng = np.random.default_rng(0)
starts = []
for _ in range(20):
    share = rng.dirichlet(np.full(5, 3.0))
    cut = []
    for own in rows["seven"]:
        parts = 1 + (share * (len(own) - 5)).astype(int)
        parts[-1] += len(own) - parts.sum()
        cut.append(np.repeat(np.arange(5), parts))
    entered, A, leave, B = count(rows["seven"], cut, 5, 32)
    B = np.maximum(B, 1e-3)
    first = study.hmm(entered, A, leave, symbols=B / B.sum(axis=1, keepdims=True))
    starts.append(study.train("dhmm", rows["seven"], num_states=5, start=first, **settings))
ends = np.array([own[-1].per_frame for own in starts])

figure, axis = plt.subplots(figsize=(7.5, 4))
for own in starts:
    axis.plot([step.per_frame for step in own], color=style.SKY, linewidth=1.4)
axis.plot([], color=style.SKY, label="20 random segmentations")
axis.plot([step.per_frame for step in seven], color=style.RED, linewidth=2.4, label="equal parts")
axis.set(xlabel="iteration", ylabel="ln P a frame (nats)", title='"seven": several starts')
axis.legend(loc="lower right")

# %%
# Which word was it?
# ------------------
# Each model fills its trellis with the symbols that were heard, and the best score wins. Below, by how much
# the right word led over the best wrong one: what is left of zero is an error. A row of 32 symbols and five
# states a word hear nearly all of the recordings that they have not met. A surprise: the models of equal
# parts, before any training, do so, too. Training gains a tenth of a nat a frame; the words were further
# apart than that.

scores = np.array([[study.trellis(trained[word][-1].model, own).score for word in words] for _, own in held])
right = np.array([words.index(word) for word, _ in held])
others = scores.copy()
others[np.arange(len(held)), right] = -np.inf
lead = (scores[np.arange(len(held)), right] - others.max(axis=1)) / [len(own) for _, own in held]
errors = int((scores.argmax(axis=1) != right).sum())
before = np.array([[study.trellis(trained[word][0].model, own).score for word in words] for _, own in held])
errors_before = int((before.argmax(axis=1) != right).sum())

figure, axis = plt.subplots(figsize=(8, 3.6))
for w, mark in enumerate("os^D"):
    some = right == w
    axis.plot(lead[some], -w + np.linspace(-0.25, 0.25, some.sum()), mark, color=style.COLORS[w], alpha=0.8)
axis.axvline(0, color=style.BLACK, linewidth=1.4)
axis.set(yticks=-np.arange(4), yticklabels=words, xlabel="lead of the right word (nats a frame)")
axis.set_title(f"Errors: {errors} of {len(held)} words")

# %%
# In numbers
# ----------

print(f"by hand and by asrkit: the counts differ by {same:.1e} at the most")
print("p(1, j) after training:", " ".join(f"{value:.2f}" for value in entry))
print("A:\n", np.exp(last.log_trans).round(3), "\nB:\n", np.exp(last.emission.log_probs).round(3), sep="")
print("total ln P of the toy:", " ".join(f"{step.objective:.3f}" for step in steps))
print(
    "tops of p^a q^b:",
    ", ".join(f"a = {a}, b = {b}: {top:.3f} ({a / (a + b):.4f})" for (a, b), top in hills.items()),
)
print("D by hand and by asrkit:", f"{np.abs(np.exp(D) - np.exp(trellis.delta)).max():.1e}", "path", path)
for word, own in trained.items():
    print(
        f"{word:5}: {len(own) - 1:2} iterations, {own[0].per_frame:.4f} to {own[-1].per_frame:.4f} nats a frame"
    )
print(
    f"seven from 20 starts: {ends.min():.4f} to {ends.max():.4f}; from equal parts {seven[-1].per_frame:.4f}"
)
print(f"errors of {len(held)}: {errors_before} with equal parts, {errors} after training")

# %%
# Try next
# --------
# * ``study.hmm`` says stay with probability a. Which durations does that give a state, and which is the
#   likeliest of them? (``model.sample`` draws some.)
#   Look at a real state's.
# * Train with ``symbol_floor=0``. How many held words have no path through any model
#   (``study.log_likelihood`` is -inf), and are they hard ones?
# * Codebooks of 8 and of 128 vectors: where are the fewest errors, and where the highest ln P on the
#   training?

plt.show()
