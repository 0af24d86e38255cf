"""The benchmark's data: generated words of any number and length, or the recordings of FSDD or TIDIGITS."""

import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import benchmark_asrkit as asrkit
import kaldiio
import numpy as np
from benchmark_timing import Failed, failure, say

DIM = 39
FRAMES = (30, 81)  # least and, not included, most of a generated utterance
FEW = 2000  # test words below which decoding is timed on the training words, too
NO_RECORDINGS = "skipped: generated features have no recordings (--data FOLDER --corpus fsdd)"


@dataclass(frozen=True, eq=False)
class Corpus:
    """Two data directories and what there is to know of them.

    Attributes
    ----------
    delta_order : int
        To be added to the stored features.
    recorded : bool
        Whether there are recordings behind the features.
    """

    title: str
    train: Path
    test: Path
    work: Path
    delta_order: int
    recorded: bool

    @functools.cached_property
    def utterances(self):
        """Of the training: list of (utt, word, (T, D))."""
        return asrkit.read_utterances(self.train, self.delta_order)

    @functools.cached_property
    def test_utterances(self):
        return asrkit.read_utterances(self.test, self.delta_order)

    @functools.cached_property
    def by_word(self):
        """Training features: dict of word to list of arrays."""
        return group(self.utterances)

    @functools.cached_property
    def frames(self):
        """All training frames, (N, D)."""
        return np.concatenate([feats for _, _, feats in self.utterances])

    @property
    def words(self):
        return sorted(self.by_word)

    @property
    def feature_options(self):
        """What `asrkit train` must be told of the features."""
        return ["--delta-order", self.delta_order, "--cmvn", "none"]

    @functools.cached_property
    def decoded(self):
        """The data directory that decoding is timed on."""
        if len(read_table(self.test / "text")) >= FEW:
            return self.test
        return join([self.train, self.test], self.work / "decoded")

    @property
    def decoded_title(self):
        tested, trained = len(read_table(self.test / "text")), len(read_table(self.train / "text"))
        return (
            f"{tested} test words"
            if tested >= FEW
            else f"{tested} test words and, being few, the {trained} training words"
        )


def group(utterances):
    by_word = {}
    for _, word, feats in utterances:
        by_word.setdefault(word, []).append(feats)
    return dict(sorted(by_word.items()))


def read_table(path):
    return dict(line.split(None, 1) for line in path.read_text(encoding="utf-8").splitlines())


def write_table(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key} {value}\n" for key, value in sorted(table.items())), encoding="utf-8")


def write_speakers(folder, utt2spk):
    write_table(folder / "utt2spk", utt2spk)
    spk2utt = {}
    for utt, speaker in sorted(utt2spk.items()):
        spk2utt.setdefault(speaker, []).append(utt)
    write_table(folder / "spk2utt", {speaker: " ".join(utts) for speaker, utts in spk2utt.items()})


def join(parts, out):
    """One data directory of several."""
    for name in ("text", "feats.scp", "wav.scp"):
        if all((part / name).exists() for part in parts):
            write_table(
                out / name, {utt: value for part in parts for utt, value in read_table(part / name).items()}
            )
    write_speakers(
        out, {utt: speaker for part in parts for utt, speaker in read_table(part / "utt2spk").items()}
    )
    for name in ("frontend.conf", "frame_shift"):
        if (parts[0] / name).exists():
            shutil.copy(parts[0] / name, out / name)
    return out


def repeated(folder, out, times):
    """A data directory in which each utterance stands so many times, its name with a number."""
    shutil.rmtree(out, ignore_errors=True)

    def copies(name):
        table = read_table(folder / name)
        return {f"{utt}-{turn:03d}": value for turn in range(times) for utt, value in table.items()}

    for name in ("text", "feats.scp", "wav.scp"):
        if (folder / name).exists():
            write_table(out / name, copies(name))
    write_speakers(out, copies("utt2spk"))
    for name in ("frontend.conf", "frame_shift"):
        if (folder / name).exists():
            shutil.copy(folder / name, out / name)
    return out


def without_features(folder, out):
    """A copy of a data directory as it was before compute-mfcc."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name in ("wav.scp", "text", "utt2spk", "spk2utt"):
        shutil.copy(folder / name, out / name)
    return out


def errors(reference, hypotheses):
    """How many words of `reference` are not those of `hypotheses`; both dicts of utt to word."""
    return sum(hypotheses.get(utt) != word for utt, word in reference.items())


def generated(work, words, utts_per_word, seed):
    """A corpus of invented features; a fifth as many test as training utterances."""
    named = (("train", utts_per_word), ("test", max(2, utts_per_word // 5)))
    frames = {part: write_words(work / part, words, count, seed, part) for part, count in named}
    title = f"generated: {words} words of {utts_per_word} utterances, {frames['train']} frames of {DIM} dimensions, seed {seed}"
    return Corpus(title, work / "train", work / "test", work, 0, False)


def write_words(folder, words, utts_per_word, seed, part):
    """Write a data directory of left-right sequences, an archive entry at a time; gives the number of frames.

    Eight states whose means all words share, and by which each word departs a little: words are told apart,
    but not without errors. Each speaker says each word once, and has an offset of his own.
    """
    if (folder / "spk2utt").exists():  # of an earlier run in the same --work folder
        return sum(len(feats) for feats in kaldiio.load_scp(str(folder / "feats.scp")).values())
    say(f"generating {words * utts_per_word} utterances in {folder.name}")
    means = word_means(words, seed)
    rng = np.random.default_rng([seed, len(part)])
    width = len(str(utts_per_word))
    text, utt2spk, total = {}, {}, 0
    (folder / "data").mkdir(parents=True, exist_ok=True)
    with kaldiio.WriteHelper(f"ark,scp:{folder}/data/feats.ark,{folder}/feats.scp") as archive:
        for speaker in range(utts_per_word):
            lengths = rng.integers(*FRAMES, words)
            noise = rng.standard_normal((lengths.sum(), DIM), dtype=np.float32) + 0.2 * rng.standard_normal(
                DIM, dtype=np.float32
            )
            for word, feats in enumerate(np.split(noise, np.cumsum(lengths)[:-1])):
                states = np.sort(rng.integers(0, len(means[word]), len(feats)))
                feats += means[word, states, rng.integers(0, 2, len(feats))]
                utt = f"{part}{speaker:0{width}d}-w{word:03d}"
                archive[utt] = feats
                text[utt], utt2spk[utt] = f"w{word:03d}", f"{part}{speaker:0{width}d}"
            total += int(lengths.sum())
    write_table(folder / "text", text)
    write_speakers(folder, utt2spk)
    return total


def word_means(words, seed):
    """Means by word, state and one of two components: float32 (W, 8, 2, D)."""
    shared = np.random.default_rng(seed).standard_normal((8, 2, DIM)) * 0.7
    own = [np.random.default_rng([seed, word]).standard_normal((8, 1, DIM)) * 0.12 for word in range(words)]
    return (shared + np.stack(own)).astype(np.float32)


def recorded(work, folder, corpus):
    """A corpus of recordings, prepared and turned into features as the recipe does it."""
    log = work / "prepare.log"
    if not (work / "data" / "test" / "feats.scp").exists():
        say(f"preparing {corpus}")
        run([sys.executable, str(asrkit.PREPARE_DATA), corpus, str(folder), str(work / "data")], log)
        for part in ("train", "test"):
            jobs = os.cpu_count()
            run(
                asrkit.command(
                    "compute-mfcc", work / "data" / part, "--config", asrkit.CONF / "mfcc.conf", "--nj", jobs
                ),
                log,
            )
    train, test = (len(read_table(work / "data" / part / "text")) for part in ("train", "test"))
    split = {
        "fsdd": "FSDD; recordings 0-4 of each speaker and digit are the test, the same speakers are in the training",
        "tidigits": "TIDIGITS isolated words; other speakers in the test",
    }[corpus]
    title = f"{split}: {train} training and {test} test words"
    return Corpus(title, work / "data" / "train", work / "data" / "test", work, 2, True)


def run(command, log):
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as stream:
        done = subprocess.run(command, stdout=stream, stderr=stream, env=asrkit.environment(), check=False)
    if done.returncode:
        raise Failed(failure(command, done.returncode, log))


def course(source, work):
    """The course's task, 330 training words: its own features where they are at hand, otherwise as many
    generated words.

    Returns
    -------
    folder : path
    title : str
    """
    if source is not None and any(
        (top / "train" / "feats.ark").exists() for top in (source, source / "03-GMM-EM")
    ):
        run(
            [sys.executable, str(asrkit.PREPARE_DATA), "course", str(source), str(work / "course")],
            work / "prepare.log",
        )
        return work / "course" / "train", "the course's 330 words"
    write_words(work / "course-like", 11, 30, 0, "train")
    return work / "course-like", "330 generated words, as many as the course's"
