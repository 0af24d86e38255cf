#!/usr/bin/env python3
"""Stage 0: make DATA/train, DATA/test and DATA/ratings.tsv of speechocean762, and what stage 1 needs to know
where the phones are.

CORPUS is one of
- the corpus as published, from https://www.openslr.org/101 or github.com/jimbozhang/speechocean762: WAVE/,
train/ and test/
  (wav.scp with paths from CORPUS, text, utt2spk, spk2gender) and resource/scores.json. DATA/*/pronunciations
  is made of it, the phones that were to be said. Cite Zhang et al., "speechocean762: An Open-Source
  Non-native English Speech Corpus For Pronunciation Assessment", Interspeech 2021.
- a prepared copy: train/ and test/ (feats.scp with paths from there, text, utt2spk), phones.ctm.gz, an
alignment of all
  utterances, and phone_scores.tsv, lines `utt phones scores` with tabs between. DATA/*/phones.ctm is made of
  it.

What does not fit together is left out, counted and named.
example: local/prepare_data.py speechocean762 data
"""

import argparse
import gzip
import json
import math
import shutil
import sys
from pathlib import Path

from asrkit.errors import DataError
from asrkit.io.data_dir import DataDir, read_data_dir, write_data_dir
from asrkit.io.files import atomic_write, c_sorted, read_bytes, read_table, write_table
from asrkit.phones.phone import plain

PARTS = ("train", "test")
SCORES = "resource/scores.json"
COPY = (*PARTS, "phones.ctm.gz", "phone_scores.tsv")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("data", type=Path)
    args = parser.parse_args()
    try:
        if (args.corpus / SCORES).exists():
            prepare_published(args.corpus, args.data)
        else:
            prepare_copy(args.corpus, args.data)
    except DataError as error:
        print(f"prepare_data.py: error: {error}", file=sys.stderr)
        return 1
    return 0


def prepare_copy(corpus, data):
    missing = [name for name in COPY if not (corpus / name).exists()]
    if missing:
        raise DataError(
            f"{corpus}: neither {SCORES}, as published, nor {missing[0]}, as in a prepared copy (--help says what they hold)"
        )
    with gzip.open(corpus / "phones.ctm.gz", "rt", encoding="utf-8") as stream:
        lines = stream.readlines()
    for part in PARTS:
        given, folder = read_data_dir(corpus / part, require=("text", "feats.scp")), data / part
        shutil.rmtree(folder, ignore_errors=True)
        write_data_dir(given, folder)
        write_table(
            folder / "feats.scp",
            {utt: str((corpus / part / spec).resolve()) for utt, spec in given.feats.items()},
        )
        with atomic_write(folder / "phones.ctm") as stream:
            stream.writelines(line for line in lines if line.split(maxsplit=1)[0] in given.feats)
        report(folder, given)
    shutil.copyfile(corpus / "phone_scores.tsv", data / "ratings.tsv")


def report(folder, data):
    print(
        f"{folder}: {len(data.utts)} utterances by {len({data.speaker(utt) for utt in data.utts})} speakers"
    )


def prepare_published(corpus, data):
    scores, ratings = read_scores(corpus / SCORES), {}
    for part in PARTS:
        given, folder, left_out, words = read_part(corpus / part), data / part, {}, {}
        for utt in given.utts:
            try:
                words[utt], ratings[utt] = rated_words(scores, utt)
                check_recording(corpus, given, utt)
            except ValueError as error:
                left_out[utt] = str(error)
                ratings.pop(utt, None)
        kept = [utt for utt in given.utts if utt not in left_out]
        for utt, reason in left_out.items():
            print(f"prepare_data.py: warning: {part}: {utt} left out: {reason}", file=sys.stderr)
        if not kept:
            raise DataError(
                f"{corpus / part}: no utterance has a recording and ratings ({len(left_out)} left out)"
            )
        text = {utt: " ".join(word for word, _ in words[utt]) for utt in kept}
        for utt in kept:
            if text[utt].split() != given.text.get(utt, "").split():
                where = f"'{given.text.get(utt, '')}' in text, '{text[utt]}' in {SCORES}"
                print(f"prepare_data.py: warning: {part}: {utt}: {where}, which is taken", file=sys.stderr)
        new = DataDir(
            path=given.path,
            wav={utt: str((corpus / given.wav[utt]).resolve()) for utt in kept},
            text=text,
            utt2spk={utt: given.speaker(utt) for utt in kept},
        )
        shutil.rmtree(folder, ignore_errors=True)
        write_data_dir(new, folder)
        with atomic_write(folder / "pronunciations") as stream:
            for utt in c_sorted(kept):
                stream.write(f"{utt}\t{' | '.join(' '.join(phones) for _, phones in words[utt])}\n")
        report(folder, new)
        if left_out:
            print(f"{folder}: {len(left_out)} left out ({', '.join(left_out)})")
    with atomic_write(data / "ratings.tsv") as stream:
        for utt in c_sorted(ratings):
            stream.write(
                f"{utt}\t{' '.join(phone for phone, _ in ratings[utt])}\t{' '.join(str(value) for _, value in ratings[utt])}\n"
            )


def read_part(folder):
    """train/ or test/, whatever the order of its lines; the paths in wav.scp are seen from the corpus."""
    tables = {name: read_table(folder / name, check_sorted=False) for name in ("wav.scp", "text", "utt2spk")}
    return DataDir(path=folder, wav=tables["wav.scp"], text=tables["text"], utt2spk=tables["utt2spk"])


def read_scores(path):
    try:
        scores = json.loads(read_bytes(path))
    except ValueError as error:  # no JSON, or no UTF-8
        raise DataError(f"{path}: no JSON: {error} (download it again)") from None
    if not isinstance(scores, dict):
        raise DataError(f"{path}: not of the form {{utterance: {{words: ...}}}} (download it again)")
    return scores


def check_recording(corpus, part, utt):
    if utt not in part.wav:
        raise ValueError("not in wav.scp")
    if not (corpus / part.wav[utt]).is_file():
        raise ValueError(f"no recording {part.wav[utt]}")


def rated_words(scores, utt):
    """[(word, phones)] and [(phone, rating)] of an utterance; a ValueError says what is missing or does not
    fit.
    """
    if utt not in scores:
        raise ValueError(f"not in {SCORES}")
    words, ratings = [], []
    try:
        for word in scores[utt]["words"]:
            phones, values = word["phones"], word["phones-accuracy"]
            phones = phones.split() if isinstance(phones, str) else phones  # both forms were published
            if not phones or len(phones) != len(values):
                raise ValueError(f"'{word['text']}' has {len(phones)} phones and {len(values)} ratings")
            phones, values = [plain(phone) for phone in phones], [float(value) for value in values]
            if not all(map(math.isfinite, values)):
                raise ValueError(f"'{word['text']}' has a rating that is no number")
            words.append(("_".join(word["text"].split()), phones))
            ratings += zip(phones, values, strict=True)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"no words with text, phones and phones-accuracy in {SCORES} ({type(error).__name__}: {error})"
        ) from None
    if not words:
        raise ValueError(f"no words in {SCORES}")
    return words, ratings


if __name__ == "__main__":
    sys.exit(main())
