"""How asrkit's cost grows: long streams of frames, the first use after installing, and frames, words, states,
Gaussians.
"""

import shutil
import statistics
import time

import benchmark_asrkit as asrkit
import benchmark_data as data
import numpy as np
from benchmark_timing import Contestant, Row, compete, figure, measure, say, yes_no

STREAM_WORKS = ("gmm", "chmm", "decode")
STREAM_WORDS, STREAM_MB, STREAM_GROWTH = 11, 1000, 1.15
FIRST_S, SECOND_S = 15, 5
BASE = {"frames": 2_000, "words": 8, "states": 8, "gauss": 2}  # frames of each word
TIMES = (1, 2, 4, 8)


def stream(corpus, options):
    """Training and decoding of archives of a million frames and more: time a frame, memory of the process
    tree.
    """
    rows, start_s, first = {work: [] for work in STREAM_WORKS}, {}, {}
    # hardly any frames: what starting takes, which is no cost of a frame
    for count in (0, *options.stream_frames):
        folder = corpus.work / f"stream{count:.0f}"
        mean = (data.FRAMES[0] + data.FRAMES[1] - 1) / 2
        frames = data.write_words(
            folder / "train", STREAM_WORDS, max(2, round(count / STREAM_WORDS / mean)), 1, "train"
        )
        try:
            for work, usage in stream_usages(corpus, folder):
                if not count:
                    start_s[work] = usage.seconds
                    continue
                micro = max(usage.seconds - start_s[work], 1e-3) / frames * 1e6
                rows[work].append(
                    stream_row(work, usage, frames, micro, micro / first.setdefault(work, micro))
                )
        finally:
            shutil.rmtree(folder)
    return [row for work in rows for row in rows[work]]


def stream_usages(corpus, folder):
    """Yield each of the works and its usage on the archives in `folder`; few iterations, enough for the cost
    of each.
    """
    given = ["--delta-order", 0, "--cmvn", "none", "--nj", 1]
    gmm = [
        "--family",
        "gmm",
        "--num-gauss",
        8,
        "--num-starts",
        1,
        "--kmeans-iters",
        3,
        "--max-iters",
        3,
        "--tol",
        0,
        "--warps=",
    ]
    chmm = asrkit.family_options("chmm", 8, 2, 2)
    commands = {
        "gmm": ["train", folder / "train", folder / "gmm", *gmm, *given],
        "chmm": ["train", folder / "train", folder / "chmm", *chmm, *given],
        "decode": ["decode", folder / "chmm", folder / "train", folder / "hypotheses"],
    }
    for work in STREAM_WORKS:
        say(f"stream: {work} of {folder.name}")
        command = asrkit.command(*commands[work])
        yield (
            work,
            measure([command], corpus.work / "stream.log", environment=asrkit.environment(), memory=True),
        )


def stream_row(work, usage, frames, micro, times):
    """The peak of memory and the microseconds a frame without the start, `times` those of the first length."""
    return Row(
        f"stream, {work}",
        f"asrkit, {frames:,} frames",
        [usage.seconds],
        quality=f"{micro:.2f} µs a frame without the start, {times:.2f} times the first's; peak {usage.peak_mb:.0f} MB",
        target=f"< {STREAM_MB} MB: {yes_no(usage.peak_mb < STREAM_MB)}; ≤ {STREAM_GROWTH}: {yes_no(times <= STREAM_GROWTH)}",
    )


def first_use(corpus, options):
    """`asrkit train` with empty caches and again, and `asrkit --help`."""
    folder, title = data.course(options.source, corpus.work)
    caches = corpus.work / "caches"
    places = {name: caches / name for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "MPLCONFIGDIR")}
    train = asrkit.command(
        "train",
        folder,
        corpus.work / "first",
        "--family",
        "chmm",
        "--config",
        asrkit.CONF / "0.1.0-chmm.conf",
        "--delta-order",
        0,
        "--cmvn",
        "none",
    )

    def timed(command, empty):
        def call():
            if empty:
                shutil.rmtree(caches, ignore_errors=True)
            return measure([command], corpus.work / "first.log", environment=asrkit.environment(**places))

        return call

    rows = compete(
        f"first-use: asrkit train, 0.1.0-chmm.conf, {title}",
        [
            Contestant("asrkit, again", timed(train, False), warm_up=True),
            Contestant("asrkit, with empty caches", timed(train, True)),
        ],
        options.repeats,
    )
    rows += compete(
        "first-use: asrkit --help",
        [Contestant("asrkit", timed(asrkit.command("--help"), False))],
        options.repeats,
    )
    for row, most in zip(rows, (SECOND_S, FIRST_S), strict=False):
        if row.seconds:
            row.target = f"≤ {most} s: {yes_no(statistics.median(row.seconds) <= most)}"
    return rows


def growth(corpus, options):
    """Seconds of three iterations of training and of decoding 16,000 frames, with one quantity grown at a
    time.
    """
    measured = {}
    for name, base in BASE.items():
        for times in TIMES:
            shape = {**BASE, name: base * times}
            say(f"growth: {name} {base * times}")
            measured[name, base * times] = growth_seconds(shape, min(3, options.repeats))
    rows = []
    for (name, value), (train, decode) in measured.items():
        for work, seconds in (("training", train), ("decoding", decode)):
            power = step_power(measured, name, value, work == "decoding")
            rows.append(Row(f"growth, {work}", f"asrkit, {TITLES[name]}: {value}", seconds, quality=power))
    if options.plot:
        plot(measured, options.plot)
    return rows


TITLES = {
    "frames": "frames a word",
    "words": "words",
    "states": "states a word",
    "gauss": "Gaussians a state",
}


def step_power(measured, name, value, decoding):
    """By which power the cost has grown since the smallest: 1 is in proportion."""
    base = BASE[name]
    if value == base:
        return "–"
    ratio = statistics.median(measured[name, value][decoding]) / statistics.median(
        measured[name, base][decoding]
    )
    return f"{figure(ratio)} times for {value / base:g} times as many (power {np.log(ratio) / np.log(value / base):.2f})"


def growth_seconds(shape, repeats):
    """Seconds of training and of decoding, each a list; what is decoded grows with the frames alone."""
    by_word = generated_words(shape["words"], shape["frames"])
    test = [
        feats
        for arrays in generated_words(BASE["words"], shape["frames"], seed=1).values()
        for feats in arrays
    ]
    blocks = asrkit.blocks(by_word)
    seconds = [], []
    for turn in range(repeats + 1):
        started = time.perf_counter()
        settings = {"num_states": shape["states"], "num_gauss": shape["gauss"], "min_count": 1.0}
        models, _ = asrkit.train("chmm", blocks, "viterbi", 3, **settings)
        trained = time.perf_counter()
        asrkit.scorer("chmm", models)(test)
        if turn:  # the first is the warm-up
            seconds[0].append(trained - started)
            seconds[1].append(time.perf_counter() - trained)
    return seconds


def generated_words(words, frames, seed=0):
    """Dict of word to utterances of 80 frames, `frames` in all."""
    means, rng = data.word_means(words, 0), np.random.default_rng([seed, words, frames])
    by_word = {}
    for word in range(words):
        states = np.sort(rng.integers(0, 8, (frames // 80, 80)), axis=1)
        noise = rng.standard_normal((*states.shape, data.DIM), dtype=np.float32)
        by_word[f"w{word:03d}"] = list(means[word, states, rng.integers(0, 2, states.shape)] + noise)
    return by_word


def plot(measured, path):
    """Four panels, one a quantity, both axes in powers of two; the dashed line grows in proportion."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure_, axes = pyplot.subplots(2, 2, figsize=(9, 7), layout="constrained")
    for axis, name in zip(axes.flat, BASE, strict=True):
        values = [BASE[name] * times for times in TIMES]
        for index, (label, color, marker) in enumerate(
            (("training", "#0b5394", "o"), ("decoding", "#b45f06", "s"))
        ):
            runs = [measured[name, value][index] for value in values]
            middle = np.array([statistics.median(run) for run in runs])
            spread = [middle - [min(run) for run in runs], [max(run) for run in runs] - middle]
            axis.errorbar(
                values, middle, yerr=np.abs(spread), color=color, marker=marker, capsize=3, label=label
            )
            axis.plot(
                values, middle[0] * np.array(TIMES), color=color, linestyle="--", linewidth=0.8, alpha=0.6
            )
        axis.plot([], [], color="grey", linestyle="--", linewidth=0.8, label="in proportion")
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(values, [f"{value:,}" for value in values])
        axis.minorticks_off()
        low, high = axis.get_ylim()
        ticks = [t for t in (m * 10.0**e for e in range(-5, 4) for m in (1, 2, 5)) if low <= t <= high]
        axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.set_xlabel(TITLES[name])
        axis.set_ylabel("seconds")
        axis.grid(alpha=0.3)
    axes[0, 0].legend(frameon=False)
    others = f"{BASE['words']} words of {BASE['frames']:,} frames, {BASE['states']} states x {BASE['gauss']} Gaussians"
    figure_.suptitle(f"asrkit chmm: one quantity grows, the others stay at\n{others}", fontsize=11)
    figure_.savefig(path, dpi=120)
    say(f"growth: {path}")
