"""An invented corpus with an alignment, a model of it and its scores: what the tests of scores share."""

import kaldiio
import numpy as np
from command import asrkit

TRAIN = ["--delta-order=0", "--num-gauss=3", "--min-tokens=20", "--max-tokens=60", "--pooling=mean"]


def write_set(folder, seed, speakers=("ann", "bob"), takes=6, dim=4):
    """A data directory with features and an alignment with words; each utterance says AA B SH B AA SH in two
    words, with pauses.
    """
    rng = np.random.default_rng(seed)
    data, ali, feats, ctm, words = folder / "data", folder / "ali", {}, [], []
    data.mkdir(parents=True)
    ali.mkdir()
    for speaker in speakers:
        for take in range(takes):
            utt, start, parts, ends = f"{speaker}-{take:02d}", 0, [], []
            for phone in ("AA", "B", "ZH" if take == 0 else "SH", "", "B", "AA", "SH", ""):
                frames = int(rng.integers(4, 9))
                parts.append(
                    2.0 * (sum(map(ord, phone)) % 7)
                    + rng.standard_normal((frames, dim))
                    + 3 * rng.integers(3)
                )
                if phone:
                    ctm.append(f"{utt} 1 {start / 100:.2f} {frames / 100:.2f} {phone}\n")
                start += frames
                ends.append(start)
            feats[utt] = np.concatenate(parts).astype(np.float32)
            words.append(
                f"{utt} 1 0.00 {ends[2] / 100:.2f} one\n{utt} 1 {ends[3] / 100:.2f} {(ends[6] - ends[3]) / 100:.2f} two\n"
            )
    kaldiio.save_ark(str(data / "feats.ark"), feats, scp=str(data / "feats.scp"))
    (data / "utt2spk").write_text("".join(f"{utt} {utt.split('-')[0]}\n" for utt in feats))
    (ali / "phones.ctm").write_text("".join(ctm))
    (ali / "words.ctm").write_text("".join(words))
    return folder


def write_scored(top):
    """A folder with train/ and test/ sets, a model exp/, and the scores of test/ in scores/, with TextGrids."""
    write_set(top / "train", 0, takes=12)
    write_set(top / "test", 1, speakers=("ann", "cid", "dan"), takes=4)
    asrkit("mixgop", "train", top / "train" / "data", top / "train" / "ali", top / "exp", *TRAIN)
    asrkit(
        "mixgop",
        "score",
        top / "exp",
        top / "test" / "data",
        top / "test" / "ali",
        top / "scores",
        "--textgrid=true",
    )
    return top


def rows_of(path):
    head, *lines = path.read_text().splitlines()
    return [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]
