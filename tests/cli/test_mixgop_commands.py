"""asrkit mixgop train and score: what they write, what they refuse, what they count."""

import json
import shutil

import kaldiio
import numpy as np
import pytest
from command import asrkit

from asrkit.cli import main as cli
from asrkit.io.alignment import read_alignment
from asrkit.io.mixgop_file import read_mixgop
from asrkit.phones.mixgop import PhoneBank
from asrkit.phones.tokens import cut_tokens
from asrkit.workflows.mixgop_score import mixgop_score

PHONES = ("AA", "B", "SH")
TRAIN = ["--delta-order=0", "--num-gauss=3", "--min-tokens=20", "--max-tokens=60", "--pooling=mean"]


def write_set(folder, seed, speakers=("ann", "bob"), takes=12, dim=5, shift=0.01, rare=0):
    """A data directory with features, folder/ali/phones.ctm beside it; each utterance says AA B SH B AA,
    `rare` of them ZH too.
    """
    rng = np.random.default_rng(seed)
    data, ali, feats, ctm = folder / "data", folder / "ali", {}, []
    data.mkdir(parents=True)
    ali.mkdir()
    for speaker in speakers:
        for take in range(takes):
            utt, start, parts = f"{speaker}-{take:02d}", 0.0, []
            for phone in ("AA", "B", "SH", "B", "AA", *(["ZH"] if take < rare else [])):
                frames = int(rng.integers(4, 9))
                parts.append(
                    2.0 * (sum(map(ord, phone)) % 7)
                    + rng.standard_normal((frames, dim))
                    + 3 * rng.integers(2)
                )
                ctm.append(f"{utt} 1 {start:.2f} {frames * shift:.2f} {phone}\n")
                start = round(start + frames * shift, 2)
            feats[utt] = np.concatenate(parts).astype(np.float32)
    kaldiio.save_ark(str(data / "feats.ark"), feats, scp=str(data / "feats.scp"))
    (data / "utt2spk").write_text("".join(f"{utt} {utt.split('-')[0]}\n" for utt in feats))
    (ali / "phones.ctm").write_text("".join(ctm))
    (ali / "words.ctm").write_text(
        "".join(f"{utt} 1 0.00 0.20 one\n{utt} 1 0.20 0.60 two\n" for utt in feats)
    )
    return folder


@pytest.fixture(scope="module")
def train_set(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("train"), 0, rare=3)


@pytest.fixture(scope="module")
def exp(train_set):
    asrkit("mixgop", "train", train_set / "data", train_set / "ali", train_set / "exp", *TRAIN)
    return train_set / "exp"


@pytest.fixture(scope="module")
def test_set(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("test"), 1, speakers=("cid", "dan"), takes=4, rare=1)


def table(path):
    """Rows of a TSV file as dicts."""
    head, *lines = path.read_text().splitlines()
    return [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]


def copy(folder, to, ali):
    """A copy of a set with another phones.ctm: a function of its lines."""
    shutil.copytree(folder / "data", to / "data")
    (to / "ali").mkdir()
    (to / "ali" / "phones.ctm").write_text(
        "".join(ali((folder / "ali" / "phones.ctm").read_text().splitlines(keepends=True)))
    )
    return to


def error_of(capsys, *words, status=1):
    asrkit("mixgop", *words, status=status)
    return capsys.readouterr().err.splitlines()[-1]


def test_train_says_what_it_did(train_set, tmp_path, capsys):
    asrkit("mixgop", "train", train_set / "data", train_set / "ali", tmp_path / "exp", *TRAIN)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "1 phones have no model, fewer tokens than --min-tokens 20: ZH 6",
        "trained 3 phones on 120 of 120 tokens",
        "utterances used 24, skipped 0",
    ]
    entries = [json.loads(line) for line in (tmp_path / "exp" / "train.jsonl").read_text().splitlines()]
    assert [entry["phone"] for entry in entries] == list(PHONES) and [
        entry["tokens"] for entry in entries
    ] == [48, 48, 24]


def test_model_file_holds_what_scoring_needs(exp, capsys):
    phone_set = read_mixgop(exp)
    assert list(phone_set.models) == list(PHONES) and phone_set.counts == {
        "AA": 48,
        "B": 48,
        "SH": 24,
        "ZH": 6,
    }
    assert (
        phone_set.frame_shift_s == 0.01 and phone_set.config.num_gauss == 3 and phone_set.min_rating is None
    )
    asrkit("info", exp / "final.npz")
    said = capsys.readouterr().out
    assert (
        "MixGoP model" in said
        and "phones: 3, 9 Gaussians" in said
        and "phones without a model: ZH 6" in said
        and "num_gauss=3" in said
    )


@pytest.mark.parametrize("covariance, reduced", [("full", []), ("diag", []), ("full", ["--num-gauss=40"])])
def test_equal_seeds_equal_bytes_whatever_the_jobs(train_set, tmp_path, covariance, reduced, capsys):
    words = ["mixgop", "train", train_set / "data", train_set / "ali"]
    options = [*TRAIN, "--max-tokens=30", f"--covariance={covariance}", *reduced]
    asrkit(*words, tmp_path / "a", *options)
    assert ("fewer Gaussians than 40" in capsys.readouterr().out) == bool(reduced)
    asrkit(*words, tmp_path / "b", *options, *(["--nj=2"] if not reduced else []))
    asrkit(*words, tmp_path / "c", *options, "--seed=1")
    first, again, other = ((tmp_path / name / "final.npz").read_bytes() for name in "abc")
    assert first == again != other
    assert read_mixgop(tmp_path / "a").models["AA"].mixture.num_gauss <= (30 if reduced else 3)


def test_scores_are_the_banks(exp, test_set, tmp_path, capsys):
    """One utterance after another, straight from the arrays."""
    asrkit("mixgop", "score", exp, test_set / "data", test_set / "ali", tmp_path)
    out = capsys.readouterr().out.splitlines()
    assert out == ["scored 40 phones of 8 utterances, skipped 2 (no model of ZH: 2)"]
    rows, phone_set = table(tmp_path / "phones.tsv"), read_mixgop(exp)
    assert (
        list(rows[0])
        == "utt word idx phone start end loglik posterior ratio z pct comp rival n_frames".split()
    )
    bank, place = PhoneBank(phone_set.models), {phone: label for label, phone in enumerate(PHONES)}
    alignment, start = read_alignment(test_set / "ali"), 0
    for utt, feats in kaldiio.load_scp(str(test_set / "data" / "feats.scp")).items():
        phones = alignment[utt]
        labels = [place.get(phone.label, -1) for phone in phones]
        tokens = cut_tokens(
            feats,
            labels,
            [phone.start_s for phone in phones],
            [phone.end_s for phone in phones],
            0.01,
            "mean",
        )
        scores = bank.score(tokens)
        own = rows[start : start + len(phones)]
        start += len(phones)
        assert [(row["utt"], row["idx"], row["phone"], row["word"]) for row in own] == [
            (utt, str(i), phone.label, phone.word) for i, phone in enumerate(phones)
        ]
        for kind in ("loglik", "posterior", "ratio", "z", "pct"):
            np.testing.assert_allclose([float(row[kind]) for row in own], getattr(scores, kind), rtol=1e-8)
        assert [row["comp"] for row in own] == [str(comp) if comp >= 0 else "nan" for comp in scores.comp]
        assert [row["rival"] for row in own] == [
            PHONES[rival] if rival >= 0 else "nan" for rival in scores.rival
        ]
        assert [int(row["n_frames"]) for row in own] == tokens.frames.tolist()
    assert start == len(rows)


def test_words_utterances_and_speakers_sum_up(exp, test_set, tmp_path):
    asrkit("mixgop", "score", exp, test_set / "data", test_set / "ali", tmp_path)
    rows = table(tmp_path / "phones.tsv")

    def check(row, own):
        for kind in ("loglik", "posterior", "ratio", "z", "pct"):
            scores = np.array([float(one[kind]) for one in own])
            wanted = [np.nanmean(scores), np.nanmin(scores), np.nanpercentile(scores, 10)]
            np.testing.assert_allclose(
                [float(row[f"{kind}_{what}"]) for what in ("mean", "min", "p10")], wanted, rtol=1e-7
            )
        missing = sum(one["loglik"] == "nan" for one in own)
        assert (int(row["n_scored"]), int(row["n_skipped"])) == (len(own) - missing, missing)

    utts, words, speakers = (table(tmp_path / f"{name}.tsv") for name in ("utterances", "words", "speakers"))
    assert [row["speaker"] for row in speakers] == ["cid", "dan"] and len(utts) == 8
    assert [row["word"] for row in words] == ["one", "two"] * 8 and [row["idx"] for row in words] == [
        "0",
        "1",
    ] * 8
    for row in utts:
        check(row, [one for one in rows if one["utt"] == row["utt"]])
    for row in words:
        check(row, [one for one in rows if one["utt"] == row["utt"] and one["word"] == row["word"]])
    for row in speakers:
        check(row, [one for one in rows if one["utt"].startswith(row["speaker"])])
        assert int(row["n_utts"]) == 4


def test_a_word_said_twice_is_two_words(exp, test_set, tmp_path):
    shutil.copytree(test_set / "ali", tmp_path / "ali")
    text = (test_set / "ali" / "words.ctm").read_text()
    (tmp_path / "ali" / "words.ctm").write_text(text.replace("two", "one"))
    asrkit("mixgop", "score", exp, test_set / "data", tmp_path / "ali", tmp_path / "score")
    words = table(tmp_path / "score" / "words.tsv")
    assert [(row["word"], row["idx"]) for row in words] == [("one", "0"), ("one", "1")] * 8


def test_jobs_do_not_change_scores(exp, test_set, tmp_path):
    for name, options in (("a", {}), ("b", {"jobs": 2}), ("c", {"posterior": False})):
        mixgop_score(  # several blocks
            exp, test_set / "data", test_set / "ali", tmp_path / name, block_rows=12, **options
        )
    for name in ("phones", "words", "utterances", "speakers"):
        assert (tmp_path / "a" / f"{name}.tsv").read_bytes() == (tmp_path / "b" / f"{name}.tsv").read_bytes()
    whole, quick = table(tmp_path / "a" / "phones.tsv"), table(tmp_path / "c" / "phones.tsv")
    assert [row["loglik"] for row in whole] == [row["loglik"] for row in quick]
    assert {row[kind] for row in quick for kind in ("posterior", "ratio", "rival")} == {"nan"}


@pytest.mark.parametrize("pooling", ["centre", "all", "placed"])
def test_other_poolings(train_set, test_set, tmp_path, pooling, capsys):
    asrkit(
        "mixgop",
        "train",
        train_set / "data",
        train_set / "ali",
        tmp_path / "exp",
        *TRAIN,
        f"--pooling={pooling}",
        "--cmvn=speaker",
    )
    asrkit("mixgop", "score", tmp_path / "exp", test_set / "data", test_set / "ali", tmp_path)
    frames = {int(row["n_frames"]) for row in table(tmp_path / "phones.tsv")}
    assert frames == {0, 1} if pooling == "centre" else max(frames) > 4
    assert read_mixgop(tmp_path / "exp").counts["B"] > 48 or pooling == "centre"


# wrong alignments


def test_phones_that_cannot_be_scored_are_counted_by_reason(exp, test_set, tmp_path, capsys):
    def damage(lines):
        first, second, third, *rest = lines
        utt, channel, start, duration, phone = first.split()
        return [
            f"{utt} {channel} {start} 0.00 {phone}\n",
            second,
            third.replace(" SH", " XX"),
            *rest[:2],
            *rest[3:],
            f"{utt} 1 9.00 0.10 AA\n",
        ]

    wrong = copy(test_set, tmp_path / "wrong", damage)
    asrkit("mixgop", "score", exp, wrong / "data", wrong / "ali", tmp_path / "out")
    said = capsys.readouterr().out
    assert (
        "skipped 4 (no model of XX: 1, no model of ZH: 1, past the end of the features: 1, zero length: 1)"
        in said
    )
    rows = [row for row in table(tmp_path / "out" / "phones.tsv") if row["utt"] == "cid-00"]
    assert [row["loglik"] == "nan" for row in rows] == [True, False, True, False, False, True]
    for row in rows:
        empty = {row[name] for name in ("posterior", "ratio", "z", "pct", "comp", "rival")}
        assert (empty == {"nan"} and row["n_frames"] == "0") or "nan" not in empty
    utt = table(tmp_path / "out" / "utterances.tsv")[0]
    assert (utt["n_scored"], utt["n_skipped"]) == ("3", "3") and float(utt["loglik_mean"]) < 0


def test_utterances_on_one_side_only(exp, test_set, tmp_path, capsys):
    wrong = copy(
        test_set, tmp_path / "wrong", lambda lines: [line.replace("dan-03", "eve-00") for line in lines]
    )
    asrkit("mixgop", "score", exp, wrong / "data", wrong / "ali", tmp_path / "out", status=1)
    said = capsys.readouterr().out
    assert (
        "utterances scored 7, skipped 2 (dan-03: no alignment; eve-00: aligned, but not in" in said
        and "--max-skipped 0" in said
    )
    assert {row["utt"] for row in table(tmp_path / "out" / "phones.tsv")} == {
        f"{s}-0{t}" for s in ("cid", "dan") for t in range(4)
    } - {"dan-03"}
    asrkit("mixgop", "score", exp, wrong / "data", wrong / "ali", tmp_path / "out", "--max-skipped=2")
    train = ["train", wrong / "data", wrong / "ali", tmp_path / "exp", *TRAIN, "--min-tokens=10"]
    assert (
        "skipped 2 (dan-03: no alignment; eve-00" in error_of(capsys, *train)
        and not (tmp_path / "exp").exists()
    )
    asrkit("mixgop", *train, "--max-skipped=2")


@pytest.mark.parametrize("options, said", [
    ({"dim": 6}, "dimension is 6, the model's is 5"), ({}, "frame shift 0.02 s, the model's is 0.01 s"),
])  # fmt: skip
def test_other_features_than_the_models(exp, tmp_path, capsys, options, said):
    other = write_set(tmp_path / "other", 2, takes=1, **options)
    if not options:
        (other / "data" / "frame_shift").write_text("0.02\n")
    assert said in error_of(capsys, "score", exp, other / "data", other / "ali", tmp_path / "out")
    assert not (tmp_path / "out" / "phones.tsv").exists()
    if not options:
        asrkit("mixgop", "score", exp, other / "data", other / "ali", tmp_path / "out", "--frame-shift=0.01")


def test_too_few_tokens_for_any_phone(train_set, tmp_path, capsys):
    said = error_of(
        capsys, "train", train_set / "data", train_set / "ali", tmp_path / "exp", *TRAIN, "--min-tokens=1000"
    )
    assert "no phone has --min-tokens 1000 tokens, the most has 48" in said


def test_only_a_mixgop_model_scores(train_set, exp, tmp_path, capsys):
    words = [train_set / "data", train_set / "ali", tmp_path / "out"]
    np.savez(tmp_path / "other.npz", meta=np.array(json.dumps({"asrkit": "codebook", "version": 2})))
    assert "holds a codebook, not a MixGoP model" in error_of(capsys, "score", tmp_path / "other.npz", *words)
    assert "no such file" in error_of(capsys, "score", tmp_path / "none", *words)
    with np.load(exp / "final.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["B/scores"] = arrays["B/scores"][::-1]
    np.savez(tmp_path / "damaged.npz", **arrays)
    assert "phone 'B': scores are not sorted" in error_of(capsys, "score", tmp_path / "damaged.npz", *words)


# ratings


def ratings_of(
    train_set, change=lambda utt, phones: (phones, ["2.0" if i != 2 else "1.9" for i in range(len(phones))])
):
    lines = []
    for utt, phones in read_alignment(train_set / "ali").items():
        labels, ratings = change(utt, [phone.label for phone in phones])
        lines.append(f"{utt}\t{' '.join(labels)}\t{' '.join(ratings)}\n")
    return "".join(lines)


def test_training_on_what_is_rated_well(train_set, tmp_path, capsys):
    (tmp_path / "ratings").write_text(ratings_of(train_set))
    words = [
        "mixgop",
        "train",
        train_set / "data",
        train_set / "ali",
        tmp_path / "exp",
        *TRAIN,
        "--ratings",
        tmp_path / "ratings",
    ]
    asrkit(*words)
    assert "left out: 24 phones (rated below 2)" in capsys.readouterr().out
    assert (
        read_mixgop(tmp_path / "exp").counts == {"AA": 48, "B": 48, "SH": 0, "ZH": 6}
        and read_mixgop(tmp_path / "exp").min_rating == 2
    )
    asrkit(*words, "--min-rating=1.9")
    assert read_mixgop(tmp_path / "exp").counts["SH"] == 24


def test_training_on_typical_speakers(train_set, tmp_path, capsys):
    """bob is rated 1.9 now and then, ann always 2."""
    (tmp_path / "ratings").write_text(
        ratings_of(
            train_set,
            lambda utt, phones: (phones, ["1.9" if utt > "bob" else "2", *["2"] * (len(phones) - 1)]),
        )
    )
    words = [
        "train",
        train_set / "data",
        train_set / "ali",
        tmp_path / "exp",
        *TRAIN,
        "--min-tokens=12",
        "--min-speaker-rating=1.99",
    ]
    asrkit("mixgop", *words, "--ratings", tmp_path / "ratings")
    assert "left out: 63 phones (of speakers rated below 1.99)" in capsys.readouterr().out
    assert read_mixgop(tmp_path / "exp").counts == {"AA": 24, "B": 24, "SH": 12, "ZH": 3}
    with pytest.raises(SystemExit, match="2"):
        asrkit("mixgop", *words)
    assert "--min-speaker-rating 1.99 needs --ratings FILE" in capsys.readouterr().err


@pytest.mark.parametrize("change, said", [
    (lambda utt, phones: (["AA", "P", *phones[2:]], ["2"] * len(phones)), "'ann-00': the phones rated are not those of"),
    (lambda utt, phones: (phones[:-1], ["2"] * (len(phones) - 1)), "from idx 5 on (none, there ZH)"),
])  # fmt: skip
def test_ratings_of_other_phones(train_set, tmp_path, capsys, change, said):
    (tmp_path / "ratings").write_text(ratings_of(train_set, change))
    words = [
        "train",
        train_set / "data",
        train_set / "ali",
        tmp_path / "exp",
        *TRAIN,
        "--ratings",
        tmp_path / "ratings",
    ]
    assert said in error_of(capsys, *words)


def test_utterances_without_ratings(train_set, tmp_path, capsys):
    (tmp_path / "ratings").write_text(ratings_of(train_set).replace("bob-11", "bob-99"))
    words = [
        "train",
        train_set / "data",
        train_set / "ali",
        tmp_path / "exp",
        *TRAIN,
        "--ratings",
        tmp_path / "ratings",
    ]
    assert "bob-11: no ratings in" in error_of(capsys, *words)
    asrkit("mixgop", *words, "--max-skipped=1")


def test_a_frame_shift_in_milliseconds_is_wrong_usage(train_set, tmp_path):
    with pytest.raises(SystemExit, match="2"):
        cli.main(
            [
                "mixgop",
                "train",
                str(train_set / "data"),
                str(train_set / "ali"),
                str(tmp_path / "exp"),
                "--frame-shift=10",
            ]
        )
