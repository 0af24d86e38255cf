"""Cross-validation through the command: who is tested by whom, the same work as by hand, kept and done anew."""

import json
import shutil

import numpy as np
import pytest
from command import asrkit
from synthetic import write_words

from asrkit.evaluation import folds
from asrkit.io.archive import read_matrix
from asrkit.io.files import read_table, write_table

SETTINGS = ["--family", "gmm", "--num-gauss", "2", "--cmvn", "utterance", "--max-iters", "4"]
RESULTS = ("hyp", "scores.ark", "words.txt", "skipped")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """data: four speakers say three words three times; copies: the same features under other names, with
    utt2uniq.
    """
    top = tmp_path_factory.mktemp("world")
    write_words(
        top / "wavs", "{word}_{speaker}_{take}.wav", speakers=("anna", "bert", "carl", "dora"), takes=range(3)
    )
    asrkit("prepare-wavs", top / "wavs", top / "data", "--pattern", "{word}_{speaker}_{index}")
    asrkit("compute-mfcc", top / "data", "--sample-frequency=8000", "--use-energy=false")
    (top / "copies").mkdir()
    for name in ("text", "utt2spk", "feats.scp"):
        write_table(
            top / "copies" / name,
            {f"x{utt}": value for utt, value in read_table(top / "data" / name).items()},
        )
    write_table(top / "copies" / "utt2uniq", {f"x{utt}": utt for utt in read_table(top / "data" / "text")})
    for name in ("frame_shift", "frontend.conf"):
        shutil.copy(top / "data" / name, top / "copies")
    return top


def members(folder):
    return read_table(folder / "utt2spk")


def fold_folders(exp):
    return [exp / f"fold_{fold['name']}" for fold in json.loads((exp / "crossval.json").read_text())["folds"]]


def test_two_listed_folds_are_two_trainings_by_hand(world, tmp_path):
    data = world / "data"
    (tmp_path / "list").write_text("anna b\nbert b\ncarl a\ndora a\n")
    asrkit("crossval", data, tmp_path / "cv", "--by", "list", "--fold-list", tmp_path / "list", *SETTINGS)
    merged = read_table(tmp_path / "cv" / "scores.scp")
    for name, speakers in (("a", "carl|dora"), ("b", "anna|bert")):
        asrkit("subset-data", data, tmp_path / "train", "--utt-regex", speakers, "--exclude", "true")
        asrkit("subset-data", data, tmp_path / "test", "--utt-regex", speakers)
        asrkit("train", tmp_path / "train", tmp_path / "exp", *SETTINGS)
        asrkit("decode", tmp_path / "exp", tmp_path / "test", tmp_path / "exp" / "decode")
        fold = tmp_path / "cv" / f"fold_{name}"
        assert (fold / "final.npz").read_bytes() == (tmp_path / "exp" / "final.npz").read_bytes()
        for result in RESULTS:
            assert (fold / "decode_test" / result).read_bytes() == (
                tmp_path / "exp" / "decode" / result
            ).read_bytes()
        by_hand = read_table(tmp_path / "exp" / "decode" / "scores.scp")
        for utt, spec in by_hand.items():
            assert (read_matrix(merged.pop(utt)) == read_matrix(spec)).all()
    assert not merged


def test_discrete_models_get_the_codebook_that_was_asked_for(world, tmp_path):
    options = ["--codebook-size", "8", "--codebook-iters", "3"]
    model = ["--family", "dhmm", "--num-states", "3", "--seed", "5"]
    asrkit(
        "crossval",
        world / "data",
        tmp_path / "cv",
        "--folds",
        "2",
        *model,
        *options,
        "--codebook-method",
        "kmeans",
    )
    fold = tmp_path / "cv" / "fold_2"
    asrkit("train-codebook", fold / "train", tmp_path / "exp", "--seed", "5", *options, "--method", "kmeans")
    asrkit("train", fold / "train", tmp_path / "exp", *model)
    assert (fold / "final.npz").read_bytes() == (tmp_path / "exp" / "final.npz").read_bytes()


def test_speakers_are_never_on_both_sides_and_all_is_tested_once(world, tmp_path, capsys):
    data = world / "data"
    asrkit("crossval", data, tmp_path, "--folds", "2", *SETTINGS)
    tested = []
    for fold in fold_folders(tmp_path):
        train, test = members(fold / "train"), members(fold / "test")
        assert len(test) == 18 and not set(train.values()) & set(test.values())
        assert train.keys() | test.keys() == members(data).keys()
        tested += test
    assert sorted(tested) == sorted(members(data))
    assert "of unknown speakers" not in capsys.readouterr().out
    asrkit("crossval", data, tmp_path / "each", "--folds", "0", *SETTINGS)
    assert [fold.name for fold in fold_folders(tmp_path / "each")] == [
        f"fold_{name}" for name in ("anna", "bert", "carl", "dora")
    ]


def test_the_result_is_a_decode_folder(world, tmp_path, capsys):
    data, exps = world / "data", [tmp_path / "one", tmp_path / "two"]
    for exp, number in zip(exps, "12"):
        asrkit("crossval", data, exp, *SETTINGS, "--folds", "2", "--num-gauss", number)
    lines = capsys.readouterr().out.splitlines()
    facts = json.loads((exps[1] / "crossval.json").read_text())["folds"]
    errors = sum(fold["errors"] for fold in facts)
    assert [(f["name"], f["train_utts"], f["test_utts"], f["words"]) for f in facts] == [
        ("1", 18, 18, 18),
        ("2", 18, 18, 18),
    ]
    start = len(lines) - 1 - lines[::-1].index("fold  speakers   train    test  errors   WER %  seconds")
    assert lines[start + 1].split()[:4] == ["1", "2", "18", "18"]
    assert lines[start + 3].startswith("%WER ") and f"[ {errors} / 36," in lines[start + 3]
    asrkit("score", data, exps[0])
    asrkit("score", data, exps[1])
    assert f"[ {errors} / 36," in (exps[1] / "wer_1").read_text()
    asrkit("compare", data, *exps)
    asrkit("report", tmp_path / "report", data, *exps)
    table = (tmp_path / "report" / "table.txt").read_text().splitlines()
    assert [line.split()[0] for line in table] == ["system", "one", "two"]


def test_unchanged_folds_are_kept_and_changed_ones_are_not(world, tmp_path, capsys):
    data, exp = tmp_path / "data", tmp_path / "cv"
    shutil.copytree(world / "data", data)
    asrkit("compute-mfcc", data, "--sample-frequency=8000", "--use-energy=false")
    run = ["crossval", data, exp, "--folds", "2", *SETTINGS]

    def made():
        return [(fold / "final.npz").stat().st_mtime_ns for fold in fold_folders(exp)]

    asrkit(*run)
    before, hyp = made(), (exp / "hyp").read_bytes()
    capsys.readouterr()
    asrkit(*run, "--nj", "2")
    assert made() == before and capsys.readouterr().err.count(": kept") == 2
    shutil.move(exp, tmp_path / "moved")  # and called by another name
    run[2] = exp = tmp_path / "moved"
    asrkit(*run)
    assert made() == before
    (exp / "fold_2" / "run.json").unlink()  # interrupted in the second fold
    asrkit(*run)
    after = made()
    assert after[0] == before[0] and after[1] != before[1] and (exp / "hyp").read_bytes() == hyp
    for change in ("setting", "text", "features"):
        before = made()
        if change == "setting":
            run += ["--tol", "0.5"]
        elif change == "text":
            write_table(data / "text", {**read_table(data / "text"), "anna-one-0": "two"})
        else:
            (ark,) = (data / "data").glob("*.1.ark")
            ark.write_bytes(ark.read_bytes()[:-4] + bytes(4))
        asrkit(*run)
        assert not set(made()) & set(before), change


@pytest.mark.parametrize("by", ["speaker", "random"])
@pytest.mark.bytes
def test_the_number_of_jobs_changes_nothing(world, tmp_path, by):
    for jobs in "12":
        asrkit(
            "crossval", world / "data", tmp_path / jobs, "--by", by, "--folds", "3", "--nj", jobs, *SETTINGS
        )
    for name in RESULTS:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_other_data_is_trained_on_but_for_what_is_held_out(world, tmp_path, capsys):
    asrkit(
        "crossval",
        world / "data",
        tmp_path / "a",
        "--folds",
        "2",
        "--also-train",
        world / "copies",
        *SETTINGS,
    )
    for fold in fold_folders(tmp_path / "a"):
        train = members(fold / "train")
        assert len(train) == 36 and sum(utt.startswith("x") for utt in train) == 18
        assert not set(train.values()) & set(members(fold / "test").values())
    assert "fold 1: 18 of 36 utterances" in capsys.readouterr().err
    asrkit(
        "crossval",
        world / "data",
        tmp_path / "b",
        "--by",
        "random",
        "--folds",
        "3",
        "--also-train",
        world / "copies",
        *SETTINGS,
    )
    for fold in fold_folders(tmp_path / "b"):
        train, test = members(fold / "train"), members(fold / "test")
        assert len(train) == 48 and len(test) == 12
        assert not {utt.removeprefix("x") for utt in train} & test.keys()
        assert set(train.values()) == {"anna", "bert", "carl", "dora"}
    out, err = capsys.readouterr()
    assert (
        "12 of 36 utterances" in err and "0 of the speakers held out, 12 more of the recordings tested" in err
    )
    assert "4 of 4 speakers are in training, too" in out


def test_another_corpus_may_have_the_same_speakers(world, tmp_path):
    shutil.copytree(world / "copies", tmp_path / "others")
    (tmp_path / "others" / "utt2uniq").unlink()  # other recordings, as far as anybody knows
    asrkit(
        "crossval",
        world / "data",
        tmp_path / "cv",
        "--folds",
        "2",
        "--also-train",
        tmp_path / "others",
        *SETTINGS,
    )
    for fold in fold_folders(tmp_path / "cv"):
        assert len(members(fold / "train")) == 36
        assert not set(members(fold / "train").values()) & set(members(fold / "test").values())


def test_copies_within_the_data_stay_with_their_original(world, tmp_path):
    asrkit("combine-data", tmp_path / "data", world / "data", world / "copies")
    asrkit("crossval", tmp_path / "data", tmp_path / "cv", "--by", "random", "--folds", "3", *SETTINGS)
    for fold in fold_folders(tmp_path / "cv"):
        sides = [{utt.removeprefix("x") for utt in members(fold / side)} for side in ("train", "test")]
        assert not sides[0] & sides[1] and [len(side) for side in sides] == [24, 12]


def test_a_word_that_a_fold_cannot_know_scores_minus_infinity(world, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(world / "data", data)
    write_table(
        data / "text",
        {utt: "zero" if utt == "anna-one-0" else word for utt, word in read_table(data / "text").items()},
    )
    asrkit("crossval", data, tmp_path / "cv", "--folds", "2", *SETTINGS)
    assert "1 utterances say words that are not in its training ('zero', ...)" in capsys.readouterr().err
    words, scores = (
        list(read_table(tmp_path / "cv" / "words.txt")),
        read_table(tmp_path / "cv" / "scores.scp"),
    )
    assert words == ["one", "three", "two", "zero"]
    beside = next(
        test for fold in fold_folders(tmp_path / "cv") if "anna-one-0" in (test := members(fold / "test"))
    )
    for utt, spec in scores.items():
        row = read_matrix(spec)
        assert np.isfinite(row[:3]).all() and np.isfinite(row[3]) == (utt not in beside)
    assert read_table(tmp_path / "cv" / "hyp")["anna-one-0"] != "zero"


def test_a_fold_that_fails_shows_the_end_of_its_log(world, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(world / "data", data)
    feats = read_table(data / "feats.scp")
    write_table(data / "feats.scp", {**feats, "dora-two-2": "/nowhere/x.ark:5"})
    asrkit("crossval", data, tmp_path / "cv", "--folds", "2", "--nj", "2", *SETTINGS, status=1)
    err = capsys.readouterr().err
    log = next(tmp_path / "cv" / f"fold_{n}" / "log" for n in "12" if f"fold_{n} failed" in err)
    assert str(log) in err and "/nowhere/x.ark" in err and "/nowhere/x.ark" in log.read_text()
    assert not (tmp_path / "cv" / "hyp").exists()
    write_table(data / "feats.scp", feats)
    asrkit("crossval", data, tmp_path / "cv", "--folds", "2", *SETTINGS)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--by", "list"], 2, "--by list and --fold-list= go together"),
        (["--folds", "1"], 2, "at least 2 are needed"),
        (["--by", "random", "--folds", "0"], 2, "at least 2 are needed"),
        (["--folds", "9"], 1, "9 folds asked for, but there are 4 speakers"),
        (
            ["--by", "list", "--fold-list", "anna 1\nbert 2\ncarl 2\n"],
            1,
            "no fold for 9 utterances: 'dora-one-0'",
        ),
        (
            ["--by", "list", "--fold-list", "anna 1\nemil 2\n"],
            1,
            "'emil' is neither an utterance nor a speaker",
        ),
        (
            ["--by", "list", "--fold-list", "anna a/b\nbert 2\ncarl 2\ndora 2\n"],
            1,
            "fold 'a/b': no name for a folder",
        ),
        (
            ["--by", "list", "--fold-list", "anna 1\nbert 1\ncarl 1\ndora 1\n"],
            1,
            "cross-validation needs two",
        ),
    ],
)
def test_folds_that_cannot_be(world, tmp_path, capsys, words, status, message):
    if "--fold-list" in words:
        (tmp_path / "list").write_text(words[-1])
        words = [*words[:-1], tmp_path / "list"]
    try:
        asrkit("crossval", world / "data", tmp_path / "cv", *words, *SETTINGS, status=status)
    except SystemExit as stop:
        assert stop.code == status == 2
    assert message in capsys.readouterr().err and not (tmp_path / "cv").exists()


def test_folds_of_speakers_are_balanced():
    speakers = {
        f"{speaker}{i}": speaker
        for speaker, size in zip("abcdefg", (9, 1, 8, 2, 5, 5, 6))
        for i in range(size)
    }
    of = folds.by_speaker(speakers, 3)
    sizes = [sum(fold == name for fold in of.values()) for name in "123"]
    assert max(sizes) - min(sizes) <= 2 and all(
        of[utt] == of[f"{speaker}0"] for utt, speaker in speakers.items()
    )


def test_random_folds_spread_every_word():
    words = {f"{word}{i}": word for word, size in (("x", 7), ("y", 12), ("z", 3)) for i in range(size)}
    of = folds.at_random(words, {}, 4, 0)
    for word in "xyz":
        sizes = [sum(of[utt] == fold for utt in words if words[utt] == word) for fold in "1234"]
        assert max(sizes) - min(sizes) <= 1
    assert max(sizes := [sum(fold == name for fold in of.values()) for name in "1234"]) - min(sizes) <= 1
    assert folds.at_random(words, {}, 4, 0) == of != folds.at_random(words, {}, 4, 1)


def test_a_draw_has_as_many_speakers_as_it_can_and_grows():
    words = {f"{speaker}{word}{i}": word for speaker in "abc" for word in "xy" for i in range(4)}
    speakers = {utt: utt[0] for utt in words}
    draws = [folds.draw(words, speakers, count, [0, 1]) for count in (1, 2, 3, 5, 99)]
    assert [len(draw) for draw in draws] == [2, 4, 6, 10, 24]
    assert all(set(a) < set(b) for a, b in zip(draws, draws[1:]))
    for word in "xy":
        assert {utt[0] for utt in draws[2] if utt[1] == word} == set("abc")
        assert max(sum(utt[:2] == speaker + word for utt in draws[3]) for speaker in "abc") == 2
    assert draws[1] != folds.draw(words, speakers, 2, [0, 2])
