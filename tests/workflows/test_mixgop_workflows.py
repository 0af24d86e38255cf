"""The workflows of mixgop from Python: what they return, that they say what the commands print, what they refuse."""

import importlib.util

import numpy as np
import pytest
import soundfile
from command import asrkit
from scored import rows_of, write_scored, write_set
from speechlike import RATE_HZ, say

from asrkit.errors import DataError, SettingsError
from asrkit.features.transform import TransformConfig
from asrkit.io.alignment import read_alignment
from asrkit.io.features import ReadConfig
from asrkit.io.mixgop_file import read_mixgop
from asrkit.phones.mixgop import MixgopConfig
from asrkit.workflows.mixgop_align import mixgop_align
from asrkit.workflows.mixgop_clusters import mixgop_clusters
from asrkit.workflows.mixgop_evaluate import mixgop_evaluate
from asrkit.workflows.mixgop_import_alignment import mixgop_import_alignment
from asrkit.workflows.mixgop_plot import mixgop_plot
from asrkit.workflows.mixgop_score import mixgop_score
from asrkit.workflows.mixgop_train import mixgop_train

CONFIG = MixgopConfig(num_gauss=3, min_tokens=20, max_tokens=60, pooling="mean")  # as in `scored`
PLAIN = TransformConfig(delta_order=0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_scored(tmp_path_factory.mktemp("made"))


@pytest.fixture
def printed(capsys):
    """A function that runs a command of mixgop and returns the lines that it prints."""

    def run(*words, status=0):
        capsys.readouterr()
        asrkit("mixgop", *words, status=status)
        return capsys.readouterr().out.splitlines()

    return run


def test_import_alignment(made, tmp_path, printed):
    source = made / "test" / "ali"
    imported = mixgop_import_alignment(source, tmp_path / "a", data_dir=made / "test" / "data")
    assert imported.alignment.keys() == read_alignment(source).keys() and imported.skipped == {}
    assert {word.label for words in imported.words.values() for word in words} == {"one", "two"}
    assert read_alignment(tmp_path / "a") == read_alignment(source)
    assert imported.lines() == printed("import-alignment", source, tmp_path / "b")
    assert imported.lines()[0] == "phones: 72 of 4 kinds; words: 24; silences left out: 0"
    for settings, told in (
        ({"tier": "x"}, "tier=x is for format=textgrid"),
        ({"format": "ali"}, "phones=FILE names the phones.txt"),
        ({"format": "praat"}, "format=praat is none of auto, ctm, textgrid, ali"),
    ):
        with pytest.raises(SettingsError, match=told):
            mixgop_import_alignment(source, tmp_path / "c", **settings)
    assert not (tmp_path / "c").exists()


@pytest.mark.skipif(importlib.util.find_spec("pocketsphinx") is None, reason="pocketsphinx is not installed")
def test_align(tmp_path, printed):
    sounds = (("-", 0.3), ("SH", 0.2), ("IY", 0.3), ("-", 0.3))
    for utt in "ab":
        soundfile.write(tmp_path / f"{utt}.wav", say(sounds, np.random.default_rng(0)), RATE_HZ)
    (tmp_path / "wav.scp").write_text("".join(f"{utt} {tmp_path}/{utt}.wav\n" for utt in "ab"))
    (tmp_path / "text").write_text("a she\nb xyzzy\n")
    found = mixgop_align(tmp_path, tmp_path / "a", read=ReadConfig(max_skipped=1))
    assert [phone.label for phone in found.alignment["a"]] == ["SH", "IY"]
    assert [word.label for word in found.words["a"]] == ["she"]
    assert found.skipped == {
        "b": "not in the dictionary: xyzzy (lexicon=FILE with lines `WORD P1 P2 …`, or pronunciations=FILE)"
    }
    lines = [
        line.replace("--lexicon ", "lexicon=").replace("--pronunciations ", "pronunciations=")
        for line in printed("align", tmp_path, tmp_path / "b", "--max-skipped=1")
    ]
    assert found.lines() == lines
    with pytest.raises(DataError, match="max_skipped=0"):
        mixgop_align(tmp_path, tmp_path / "c")
    with pytest.raises(SettingsError, match="pronunciations=x says .* lexicon=y would do nothing"):
        mixgop_align(tmp_path, tmp_path / "c", pronunciations="x", lexicon="y")


def test_train(made, tmp_path, printed):
    data, ali = made / "train" / "data", made / "train" / "ali"
    trained = mixgop_train(data, ali, tmp_path / "a", CONFIG, transform=PLAIN, jobs=2)
    assert (tmp_path / "a" / "final.npz").read_bytes() == (made / "exp" / "final.npz").read_bytes()
    assert trained.phone_set.counts == read_mixgop(tmp_path / "a").counts and trained.utts == 24
    assert [entry["phone"] for entry in trained.entries] == ["AA", "B", "SH"]
    lines = printed("train", data, ali, tmp_path / "b", "--delta-order=0", "--num-gauss=3", "--min-tokens=20",
                    "--max-tokens=60", "--pooling=mean")  # fmt: skip
    assert trained.lines() == [line.replace("--min-tokens ", "min_tokens=") for line in lines]
    assert trained.lines()[0] == "1 phones have no model, fewer tokens than min_tokens=20: ZH 2"
    with pytest.raises(SettingsError, match="baselines=knn,svms: no baseline 'svms' .did you mean svm"):
        mixgop_train(data, ali, tmp_path / "c", CONFIG, transform=PLAIN, baselines=["knn", "svms"])
    with pytest.raises(SettingsError, match="min_speaker_rating=1 needs ratings=FILE"):
        mixgop_train(data, ali, tmp_path / "c", CONFIG, transform=PLAIN, min_speaker_rating=1)
    with pytest.raises(DataError, match="no phone has min_tokens=100 tokens, the most has 48"):
        mixgop_train(data, ali, tmp_path / "c", transform=PLAIN)
    assert not (tmp_path / "c").exists()


def test_score(made, tmp_path, printed):
    words = [made / "exp", made / "test" / "data", made / "test" / "ali"]
    scored = mixgop_score(*words, tmp_path / "a", textgrid=True)
    assert (scored.scored, scored.utts, scored.reasons) == (69, 12, {"no model of ZH": 3})
    assert scored.complete and scored.lines() == printed("score", *words, tmp_path / "b")
    names = sorted(path.relative_to(made / "scores") for path in (made / "scores").rglob("*.*"))
    assert len(names) == 16
    assert all((tmp_path / "a" / n).read_bytes() == (made / "scores" / n).read_bytes() for n in names)
    (tmp_path / "few.ctm").write_text("ann-00 1 0.00 0.05 AA\n")
    words[-1] = tmp_path / "few.ctm"
    scored = mixgop_score(*words, tmp_path / "few", read=ReadConfig(max_skipped=1))
    assert not scored.complete and len(scored.skipped) == 11
    lines = printed("score", *words, tmp_path / "few", "--max-skipped=1", status=1)
    assert scored.lines() == [line.replace("--max-skipped ", "max_skipped=") for line in lines]


@pytest.fixture(scope="module")
def ratings(made):
    """A file of ratings of the test set: 2, 1, 0 in turn."""
    alignment = read_alignment(made / "test" / "ali")
    lines = [
        f"{utt}\t{' '.join(phone.label for phone in phones)}\t{' '.join('210'[i % 3] for i in range(len(phones)))}\n"
        for utt, phones in alignment.items()
    ]
    (made / "ratings.tsv").write_text("".join(lines))
    return made / "ratings.tsv"


def test_evaluate(made, ratings, tmp_path, printed):
    evaluated = mixgop_evaluate(
        [made / "scores"], ratings, higher_is="better", kinds=["z"], data_dir=made / "test" / "data"
    )
    (row,) = evaluated.rows
    assert (row["system"], row["kind"], row["num_phones"], row["num_speakers"]) == ("scores", "z", 69, 3)
    assert {row["phone"] for row in evaluated.by_phone} == {"AA", "B", "SH"} and evaluated.form == "wide"
    options = ["--higher-is=better", "--kinds=z", "--data", made / "test" / "data"]
    assert evaluated.lines() == printed("evaluate", made / "scores", ratings, *options)
    for settings, told in (
        ({"higher_is": "up"}, "higher_is=up is none of better, worse"),
        ({"kinds": ()}, "kinds= names no kind"),
        ({"label_threshold": np.nan}, "label_threshold=nan is not a finite number"),
        ({"replications": 0}, "replications=0 is less than 1"),
        ({"utt2spk": "a", "data_dir": "b"}, "utt2spk=a or data_dir=b, not both"),
    ):
        with pytest.raises(SettingsError, match=told):
            mixgop_evaluate([made / "scores"], ratings, **{"higher_is": "better", **settings})


def test_clusters(made, printed):
    found = mixgop_clusters(made / "scores", phones=["SH"], environment="manner", min_tokens=2, exemplars=1)
    rows = [row for row in rows_of(made / "scores" / "phones.tsv") if row["phone"] == "SH"]
    assert {row["phone"] for row in found.rows} == {"SH"} and sum(row["n"] for row in found.rows) == len(rows)
    assert set(found.anmi.by_phone) == {"AA", "B", "SH"} and found.unscored == 3
    options = ["--phones=SH", "--environment=manner", "--min-tokens=2", "--exemplars=1"]
    assert found.lines() == printed("clusters", made / "scores", *options)
    with pytest.raises(SettingsError, match="classes=x goes with environment=manner"):
        mixgop_clusters(made / "scores", classes="x")
    with pytest.raises(SettingsError, match="environment=words is none of phones, manner"):
        mixgop_clusters(made / "scores", environment="words")


def test_plot(made, tmp_path, printed):
    told = []
    options = {"data_dir": made / "test" / "data", "worst": 1, "best": 0}
    drawn = mixgop_plot(made / "scores", tmp_path, kind="z", on_picture=told.append, **options)
    assert drawn.lines() == list(drawn.paths) == told and len(told) == 2
    assert told[0] == str(tmp_path / "speakers_z.png") and all(map(str.__len__, told))
    assert sorted(map(str, tmp_path.iterdir())) == sorted(told)
    words = [made / "scores", tmp_path, "--kind=z", "--worst=1", "--best=0", "--data", options["data_dir"]]
    assert drawn.lines() == printed("plot", *words)
    with pytest.raises(SettingsError, match="utts=a,b needs data_dir=DIR"):
        mixgop_plot(made / "scores", tmp_path, utts=["a", "b"])
    with pytest.raises(SettingsError, match="ali=a goes with exp=EXP"):
        mixgop_plot(made / "scores", tmp_path, ali="a")


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """Two sets of four phones by two speakers, 12 dimensions."""
    top = tmp_path_factory.mktemp("wide")
    return write_set(top / "train", 0, takes=24, dim=12), write_set(top / "test", 1, takes=8, dim=12)


@pytest.mark.parametrize(
    ("settings", "warns", "by_heart"),
    [
        ({}, False, False),
        ({"covariance": "full"}, False, False),
        ({"num_gauss": 2}, False, False),
        ({"num_gauss": 32}, True, False),
        ({"num_gauss": 32, "covariance": "full"}, True, True),
    ],
    ids=str,
)
def test_what_is_learned_by_heart_is_told(wide, tmp_path, caplog, settings, warns, by_heart):
    (train, test), config = wide, MixgopConfig(min_tokens=40, pooling="mean", **settings)
    trained = mixgop_train(train / "data", train / "ali", tmp_path / "exp", config, transform=PLAIN)
    told = [
        record.message for record in caplog.records if "fewer tokens than their mixture has" in record.message
    ]
    assert len(told) == warns
    assert not told or "num_gauss=0" in told[0] and "AA 96 < " in told[0]
    assert bool(trained.lines()[1].startswith("as many Gaussians as the tokens bear: 1 a phone")) != bool(
        config.num_gauss
    )
    caplog.clear()
    mixgop_score(tmp_path / "exp", test / "data", test / "ali", tmp_path / "score")
    told = [record.message for record in caplog.records if "by heart" in record.message]
    assert len(told) == by_heart
    pct = [float(row["pct"]) for row in rows_of(tmp_path / "score" / "phones.tsv") if row["pct"] != "nan"]
    assert (np.mean(np.equal(pct, 0)) > 0.9) == by_heart
    if by_heart:
        assert told[0].startswith("this mixture learned its tokens by heart: AA, B, SH, of 3 phones; ")
