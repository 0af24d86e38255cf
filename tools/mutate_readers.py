"""What mutate.py mutates: small valid files of every format that asrkit reads, and what reads each."""

import contextlib
import gzip
import json
import shutil
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

import asrkit
from asrkit.config import from_conf
from asrkit.evaluation.scoring import compute_errors
from asrkit.families import names
from asrkit.features.frontend import FrontEnd
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.features.transform import TransformConfig
from asrkit.io.ali_archive import read_ali, read_phone_table
from asrkit.io.alignment import read_alignment
from asrkit.io.archive import read_ark, read_matrix, write_archive
from asrkit.io.audio import audio_info
from asrkit.io.data_dir import read_data_dir
from asrkit.io.decodings import read_hyp
from asrkit.io.durations import stated_frame_shift_s, utterance_lengths
from asrkit.io.features import read_features, read_kind
from asrkit.io.iterations import read_iterations, write_iterations
from asrkit.io.lexicon import read_lexicon, read_pronunciations
from asrkit.io.memory_file import read_memory, write_memory
from asrkit.io.mixgop_file import read_mixgop, write_mixgop
from asrkit.io.model_file import read_codebook, read_model, read_stats, write_codebook, write_stat_arrays
from asrkit.io.ratings import read_ratings, read_scores
from asrkit.io.runs import each_once
from asrkit.io.score_textgrid import read_words
from asrkit.io.textgrid import read_textgrid, write_textgrid
from asrkit.io.validation import Checks, find_faults
from asrkit.models.codebook import Codebook
from asrkit.models.mixture import DiagMixture
from asrkit.phones.mixgop import MixgopConfig, PhoneModel
from asrkit.phones.phone import Phone
from asrkit.phones.phone_set import PhoneSet
from asrkit.words.memory import Memory
from asrkit.words.training import TrainConfig
from asrkit.workflows.combine import read_scores as read_decoded_scores
from asrkit.workflows.info import info
from asrkit.workflows.report import read_conditions, read_curves, read_system, table
from asrkit.workflows.score import read_vocabulary
from asrkit.workflows.unknown import read_trials

RATE_HZ = 8000
FRONTEND = FrontEnd.of("mfcc", num_ceps=2, delta_order=0)
UTTS = {"ann-1": "yes", "ann-2": "no", "bob-1": "yes", "bob-2": "no"}
SETTINGS = {
    "chmm": {"num_states": 2, "num_gauss": 1},
    "dhmm": {"num_states": 2, "codebook_size": 4},
    "dtw": {},
    "gmm": {"num_gauss": 1, "cmvn": "map"},
    "schmm": {"num_states": 2, "num_gauss": 2},
}


@dataclass(frozen=True)
class Reader:
    """A format, or several that are read alike.

    Attributes
    ----------
    make : callable
        Writes valid files into the folder that it is given, and returns the paths of those that are mutated.
    read : callable
        Reads the folder's file of a path; raises AsrkitError, or returns an iterable of texts that must be lines.
    """

    make: Callable[[Path], Iterable[Path]]
    read: Callable[[Path], Iterable[str] | object]


def sounds(folder):
    """Every container and a few encodings, 40 samples each; those that this libsndfile can't write are left out."""
    samples = 0.3 * np.sin(np.arange(40))
    for container in (
        "WAV",
        "WAVEX",
        "RF64",
        "W64",
        "AIFF",
        "AU",
        "CAF",
        "FLAC",
        "OGG",
        "MP3",
        "NIST",
        "VOC",
        "IRCAM",
        "SVX",
    ):
        for subtype in (
            "PCM_16",
            "FLOAT",
            "ULAW",
            "IMA_ADPCM",
            "VORBIS",
            "OPUS",
            "MPEG_LAYER_III",
            "ALAC_16",
        ):
            path = folder / f"x.{container}.{subtype}"
            if soundfile.check_format(container, subtype):
                with contextlib.suppress(soundfile.LibsndfileError):
                    soundfile.write(path, samples, RATE_HZ, subtype, format=container)
                    yield path


def features():
    rng = np.random.default_rng(0)
    return {utt: (rng.normal(size=(12, 2)) + len(word)).astype(np.float32) for utt, word in UTTS.items()}


def data_dir(folder):
    """A data directory with recordings and features; all its tables are mutated."""
    soundfile.write(folder / "x.wav", 0.3 * np.sin(np.arange(1200)), RATE_HZ)
    write_archive(folder / "feats.ark", folder / "feats.scp", features().items())
    stats = np.array([[1.0, 2, 24], [3, 4, 0]])
    write_archive(folder / "cmvn.ark", folder / "cmvn.scp", [(name, stats) for name in ("ann", "bob")])
    tables = {
        "wav.scp": "rec x.wav\n",
        "segments": "".join(f"{utt} rec 0.0 0.1{i}\n" for i, utt in enumerate(UTTS)),
        "text": "".join(f"{utt} {word}\n" for utt, word in UTTS.items()),
        "utt2spk": "".join(f"{utt} {utt[:3]}\n" for utt in UTTS),
        "spk2utt": "ann ann-1 ann-2\nbob bob-1 bob-2\n",
        "spk2gender": "ann f\nbob m\n",
        "utt2num_frames": "".join(f"{utt} 12\n" for utt in UTTS),
        "utt2dur": "".join(f"{utt} 0.14\n" for utt in UTTS),
        "frame_shift": "0.01\n",
    }
    for name, text in tables.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in (*tables, "feats.scp", "cmvn.scp")]


def read_data(path):
    """Read a data directory in every way that has a reader of its own; what scp files name only where one of them is broken."""
    folder = path.parent
    whole = path.name in ("wav.scp", "segments", "feats.scp", "cmvn.scp")
    told = find_faults(folder, Checks(read_feats=whole, read_wavs=whole))
    utterance_lengths(read_data_dir(folder), 0.01)
    stated_frame_shift_s(read_data_dir(folder), GivenFeatures())
    info(folder)
    if not whole:
        return told
    found = read_features(folder, transform_config=TransformConfig(delta_order=0))
    for _ in found:
        pass
    return [*told, *found.skipped.values()]


def models(folder):
    """A model of every family."""
    (folder / "data").mkdir()
    data_dir(folder / "data")
    for family in names():
        settings = {"delta_order": 0, **SETTINGS.get(family, {})}
        asrkit.train(folder / "data", family=family, **settings).save(folder / f"{family}.npz")
        yield folder / f"{family}.npz"


def codebook(folder):
    write_codebook(folder / "book.npz", Codebook(np.eye(2), np.ones(2)), FRONTEND, "0" * 64)
    return [folder / "book.npz"]


def iterations(folder):
    """Of a family with features and of one with codes."""
    (folder / "data").mkdir()
    data_dir(folder / "data")
    for family in ("gmm", "dhmm"):
        settings = {"delta_order": 0, "max_iters": 2, **SETTINGS.get(family, {})}
        trained = asrkit.train(folder / "data", family=family, keep_iterations=True, **settings).training
        write_iterations(folder / f"{family}.npz", trained.vocabulary, trained.by_word, trained.histories)
        yield folder / f"{family}.npz"


def speaker(folder):
    memory = Memory.of_nobody(FRONTEND).after(np.ones((5, 2), dtype=np.float32))
    write_memory(folder / "ann.npz", memory)
    return [folder / "ann.npz"]


def statistics(folder):
    sums = {
        "a": {"occ": np.arange(3.0), "frames": np.array(3)},
        "b": {"occ": np.ones(1), "frames": np.array(1)},
    }
    write_stat_arrays(folder / "sums.npz", sums, "1" * 64)
    return [folder / "sums.npz"]


def mixgop(folder):
    mixture = DiagMixture.single(np.zeros(2), np.ones(2), np.full(2, 1e-3), 1)
    phones = {name: PhoneModel(mixture, np.array([-2.0, -1.0]), 2) for name in ("AA", "B")}
    config = MixgopConfig(covariance="diag")
    write_mixgop(
        folder / "final.npz", PhoneSet(phones, {"AA": 2, "B": 2}, config, None, FRONTEND, 0.01, "2" * 64)
    )
    return [folder / "final.npz"]


def archives(folder):
    """Kaldi archives of every kind of entry."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(9, 3)).astype(np.float32)
    arrays = {"fm": matrix, "dm": matrix.astype(float), "fv": matrix[0], "dv": matrix[0].astype(float)}
    arrays["int"] = np.arange(5, dtype=np.int32)
    for name, array in arrays.items():
        write_archive(folder / f"{name}.ark", folder / "x.scp", [("u1", array), ("u2", array)])
        write_archive(
            folder / f"{name}_text.ark", folder / "x.scp", [("u1", array), ("u2", array)], text=True
        )
    for method in (2, 3, 5):
        write_archive(folder / f"cm{method}.ark", folder / "x.scp", [("u1", matrix)], compression=method)
    return sorted(folder.glob("*.ark"))


def read_archive(path):
    for _ in read_ark(path):
        pass
    read_matrix(f"{path}:3")


def npy(folder):
    np.save(folder / "x.npy", np.ones((5, 3), dtype=np.float32))
    np.save(folder / "f.npy", np.asfortranarray(np.ones((4, 2))))
    return [folder / "x.npy", folder / "f.npy"]


def scp(folder):
    write_archive(folder / "x.ark", folder / "x.scp", features().items())
    (folder / "x.scp").write_text(
        (folder / "x.scp").read_text(encoding="utf-8").replace("\n", "[0:3]\n", 2), encoding="utf-8"
    )
    return [folder / "x.scp"]


def read_scp_file(path):
    info(path)


def conf(folder):
    (folder / "train.conf").write_text(
        "# settings\n--method=viterbi\n--max-iters=20\n--tol=1e-4\n--seed=3\n", encoding="utf-8"
    )
    (folder / "frontend.conf").write_text(
        "--kind=mfcc\n--num-ceps=13\n--low-freq=20.0\n--use-energy=false\n", encoding="utf-8"
    )
    return [folder / "train.conf", folder / "frontend.conf"]


def read_conf(path):
    if path.name == "frontend.conf":
        read_kind(path)
        from_conf(MfccConfig, path, without=("--kind",))
    else:
        from_conf(TrainConfig, path)


def ctm(folder):
    text = "".join(f"u{i % 2} 1 {i // 2 / 10:.2f} 0.10 {'AB'[i % 2]} 0.9\n" for i in range(8))
    (folder / "phones.ctm").write_text(text, encoding="utf-8")
    (folder / "words.ctm").write_text(text, encoding="utf-8")
    (folder / "x.ctm.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    return [folder / "phones.ctm", folder / "words.ctm", folder / "x.ctm.gz"]


def textgrid(folder):
    phones = [Phone("AA", 0.0, 0.1), Phone("B", 0.1, 0.3)]
    write_textgrid(folder / "x.TextGrid", {"phones": phones, "words": [Phone("ab", 0.0, 0.3)]}, 0.3)
    (folder / "utf16.TextGrid").write_text(
        (folder / "x.TextGrid").read_text(encoding="utf-8"), encoding="utf-16"
    )
    return [folder / "x.TextGrid", folder / "utf16.TextGrid"]


def alis(folder):
    """Numbers of phones frame by frame, and with their lengths; text, binary, gzipped, named by an scp file."""
    frames = [1, 1, 2, 2, 2, 1]
    text = f"u1 {' '.join(map(str, frames))}\nu2 2 2 1\n"
    (folder / "phones.txt").write_text("A 1\nB 2\n", encoding="utf-8")
    (folder / "ali.ark").write_text(text, encoding="utf-8")
    (folder / "ali.1.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    (folder / "len.ark").write_text("u1 1 2 ; 2 3 ; 1 1\nu2 2 4\n", encoding="utf-8")
    numbers = b"".join(struct.pack("<bi", 4, number) for number in (len(frames), *frames))
    (folder / "bin.ark").write_bytes(b"u1 \0B" + numbers + b"u2 \0B" + numbers)
    (folder / "ali.scp").write_text("u1 ali.ark:3\nu2 bin.ark:3\n", encoding="utf-8")
    return sorted(folder.iterdir())


def read_ali_file(path):
    labels = read_phone_table(path.parent / "phones.txt")
    if path.name != "phones.txt":
        read_ali(path, labels, 0.01)


def lexicon(folder):
    (folder / "lexicon.txt").write_text(
        ";;; words\nONE W AH N\nONE(2) HH W AH N\nTWO T UW\n", encoding="utf-8"
    )
    (folder / "said.txt").write_text("u1\tW AH N | T UW\nu2\tT UW\n", encoding="utf-8")
    return [folder / "lexicon.txt", folder / "said.txt"]


def read_lexicon_file(path):
    (read_lexicon if path.name == "lexicon.txt" else read_pronunciations)(path)


def trials(folder):
    path = folder / "trials.tsv"
    path.write_text(
        "utt\tspeaker\tknown\tright\tp\nann-1\tann\t1\t1\t0.98\nann-1\tann\t0\t0\t0.125\n", encoding="utf-8"
    )
    return [path]


def ratings(folder):
    (folder / "long.tsv").write_text("utt\tidx\trating\nu1\t0\t1.5\nu1\t1\tnan\nu2\t0\t2\n", encoding="utf-8")
    (folder / "wide.tsv").write_text("u1\tAA B\t1 2\nu2\tB\t0.5\n", encoding="utf-8")
    (folder / "utts.tsv").write_text("u1 1.5\nu2 NA\n", encoding="utf-8")
    return sorted(folder.iterdir())


def scores(folder):
    rows = [
        "utt\tword\tidx\tphone\tstart\tend\tloglik\tcomp",
        "u1\tab\t0\tAA\t0.0\t0.1\t-2.5\t1",
        "u1\tab\t1\tB\t0.1\t0.2\tnan\t",
    ]
    (folder / "phones.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "words.tsv").write_text("utt\tidx\tword\tstart\tend\nu1\t0\tab\t0.0\t0.2\n", encoding="utf-8")
    return sorted(folder.iterdir())


def read_score_table(path):
    if path.name == "words.tsv":
        read_words(path)
    else:
        read_scores(path.parent, ("loglik",))


def decoding(folder):
    """A decode folder in the folder of its model, with what the report reads."""
    out = folder / "decode"
    out.mkdir()
    refs = "".join(f"{utt} {word}\n" for utt, word in UTTS.items())
    rows = [(utt, np.array([-1.0, -2])) for utt in UTTS]
    write_archive(out / "scores.ark", out / "scores.scp", rows)
    report = {
        "errors": 1,
        "total": 4,
        "wer": 0.25,
        "interval": [0.1, 0.5],
        "mode": "all",
        "skipped": {"ann-1": "short"},
    }
    entry = {"word": "no", "iteration": 1, "per_frame": -2.5, "gaussians": 2}
    texts = {
        out / "hyp": refs,
        out / "skipped": "ann-3 short\n",
        out / "words.txt": "no 0\nyes 1\n",
        out / "decode.json": json.dumps({"words": ["no", "yes"], "frames": 48, "seconds": 0.5, "decoded": 4}),
        out / "report.json": json.dumps(report),
        folder / "train.json": json.dumps({"seconds": 2.25}),
        folder / "train.jsonl": "".join(json.dumps({**entry, "iteration": i}) + "\n" for i in range(3)),
        folder / "perturb.tsv": "utt\tnoise\tsnr\nann-1\twhite\t10\nann-2\tnone\t\n",
        folder / "run.json": json.dumps(
            {"signature": "0" * 64, "facts": {"seconds": 1.5}, "files": {}, "checksum": "0" * 64}
        ),
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return [*texts, out / "scores.scp", out / "scores.ark"]


def read_decoding(path):
    folder = path.parent if path.parent.name != "decode" else path.parent.parent
    out = folder / "decode"
    hyps, skipped = read_hyp(out)
    compute_errors(UTTS, hyps, {}, "all", vocabulary=read_vocabulary(out), skipped=skipped)
    read_decoded_scores([out, out])
    table([read_system(out)], "")
    read_curves(folder / "train.jsonl")
    read_conditions(folder / "perturb.tsv", ())
    each_once(None, {folder: ({}, ())}, [], folder / "log")


def crossval(folder):
    path = folder / "crossval.json"
    inner = folder / "fold_1"
    inner.mkdir()
    decoding(inner)
    shutil.move(inner / "decode", inner / "decode_test")
    for name in ("report.json", "decode.json"):
        shutil.copy(inner / "decode_test" / name, folder)
    path.write_text(json.dumps({"folds": [{"name": "1", "errors": 1}]}), encoding="utf-8")
    return [path]


def read_crossval(path):
    table([read_system(path.parent)], "")


def read_npz_with(read):
    """What `asrkit info` says of a file, beside reading it."""

    def both(path):
        read(path)
        info(path)

    return both


READERS = {
    "sound": Reader(sounds, audio_info),
    "data": Reader(data_dir, read_data),
    "model": Reader(models, read_npz_with(read_model)),
    "codebook": Reader(codebook, read_npz_with(read_codebook)),
    "iterations": Reader(iterations, read_npz_with(read_iterations)),
    "speaker": Reader(speaker, read_npz_with(read_memory)),
    "statistics": Reader(statistics, read_npz_with(read_stats)),
    "mixgop": Reader(mixgop, read_npz_with(read_mixgop)),
    "archive": Reader(archives, read_archive),
    "npy": Reader(npy, lambda path: read_matrix(str(path))),
    "scp": Reader(scp, read_scp_file),
    "conf": Reader(conf, read_conf),
    "ctm": Reader(ctm, read_alignment),
    "textgrid": Reader(textgrid, read_textgrid),
    "ali": Reader(alis, read_ali_file),
    "lexicon": Reader(lexicon, read_lexicon_file),
    "ratings": Reader(ratings, read_ratings),
    "trials": Reader(trials, read_trials),
    "scores": Reader(scores, read_score_table),
    "decoding": Reader(decoding, read_decoding),
    "crossval": Reader(crossval, read_crossval),
}
