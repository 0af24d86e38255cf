"""The search for settings: what is trained together is what is trained alone, the race, the budget, the conf
files.
"""

import json
import shutil

import numpy as np
import pytest
from command import MFCC, asrkit
from synthetic import write_words

from asrkit.evaluation import grids as grid
from asrkit.evaluation import races as race
from asrkit.families import chmm
from asrkit.families.base import DataFacts
from asrkit.io.archive import read_matrix, write_archive
from asrkit.io.files import read_table, write_table
from asrkit.io.model_file import read_model
from asrkit.io.store import MemorySource
from asrkit.models.base import Block
from asrkit.words import training
from asrkit.words.settings import TrainingSettings
from asrkit.words.training import TrainConfig, train_beside, train_words

FIXED = [
    "--folds",
    "2",
    "--minutes",
    "0",
    "--warps=",
    "--min-count",
    "2",
    "--max-iters",
    "5",
    "--growth-iters",
    "2",
]
STATES, GAUSS = ["--try", "num-states", "1", "3"], ["--try", "num-gauss", "1", "2", "4"]
DIAG = ["--covariance", "diag"]
CHMM = ["--family", "chmm", *DIAG, "--cmvn", "none", "--delta-order", "1", *FIXED]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Four speakers say three words twice."""
    top = tmp_path_factory.mktemp("world")
    write_words(
        top / "wavs", "{word}_{speaker}_{take}.wav", speakers=("anna", "bert", "carl", "dora"), takes=range(2)
    )
    asrkit("prepare-wavs", top / "wavs", top / "data", "--pattern", "{word}_{speaker}_{index}")
    asrkit("compute-mfcc", top / "data", *MFCC)
    return top / "data"


@pytest.fixture(scope="module")
def tuned(data, tmp_path_factory):
    exp = tmp_path_factory.mktemp("tuned") / "exp"
    asrkit("tune", data, exp, *CHMM, *STATES, *GAUSS)
    return exp


@pytest.fixture
def unseen(monkeypatch):
    """No picture, which takes longer than such trainings."""
    monkeypatch.setattr("asrkit.plots.words.plot_tuning", lambda *args: None)


def models(exp):
    return {path: path.stat().st_mtime_ns for path in sorted(exp.rglob("final.npz"))}


def found(exp):
    """What a search came to, but for seconds."""
    result = json.loads((exp / "tune.json").read_text())
    rows = [
        [row[key] for key in ("name", "folds", "errors", "words", "parameters", "out")]
        for row in result["candidates"]
    ]
    return rows, result["chosen"], result["smallest"], result["p_smallest"]


def frames(seed, lengths):
    rng = np.random.default_rng(seed)
    return MemorySource(
        [
            Block.from_items(
                (f"u{i}", rng.normal(size=(n, 3)).cumsum(axis=0).astype(np.float32))
                for i, n in enumerate(lengths)
            )
        ]
    )


def test_what_is_trained_together_is_what_is_trained_alone(monkeypatch):
    words = {"a": frames(0, [30, 41, 25]), "b": frames(1, [28, 33])}
    configs = [chmm.Config(num_states=3, num_gauss=n, min_count=2, num_starts=2) for n in (1, 2, 3, 4, 8)]
    train = TrainConfig(method="both", max_iters=6, growth_iters=3)
    accumulations, accumulate = [], training.accumulate

    def counted(wanted, data):
        accumulations.append(len(wanted))
        return accumulate(wanted, data)

    monkeypatch.setattr(training.Here, "accumulate", staticmethod(counted))
    together = train_beside("chmm", configs, train, words)
    shared, accumulations[:] = sum(accumulations), []
    alone = [train_words("chmm", config, train, words) for config in configs]
    assert shared < 0.8 * sum(accumulations)
    sizes = [sum(model.num_gauss for model, _ in one.values()) for one in together]
    assert sizes[0] == 6 and sizes == sorted(set(sizes))
    for one, other in zip(together, alone, strict=True):
        for word in words:
            (model, entries), (expected, log) = one[word], other[word]
            assert entries == log
            for name, array in expected.to_arrays().items():
                assert model.to_arrays()[name].tobytes() == array.tobytes()


def test_a_candidate_is_the_training_of_its_settings(data, tuned, tmp_path):
    train = [
        tuned / "fold_2" / "train",
        tmp_path,
        "--family",
        "chmm",
        *CHMM[2:8],
        *FIXED[4:],
        "--num-states",
        "3",
        "--num-gauss",
        "2",
    ]
    asrkit("train", *train)
    (folder,) = (tuned / "fold_2").glob("num-states=3_num-gauss=2_*")
    for name in ("final.npz", "train.jsonl"):
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()
    assert not set(read_table(tuned / "fold_2" / "train" / "spk2utt")) & set(
        read_table(tuned / "fold_2" / "test" / "spk2utt")
    )


def test_the_table_is_right_and_its_best_is_a_conf_file(data, tuned, tmp_path, capsys):
    result = json.loads((tuned / "tune.json").read_text())
    best, text, wrong, words = result["candidates"][0], read_table(data / "text"), 0, 0
    for fold in tuned.glob("fold_*"):
        (folder,) = fold.glob("num-states={num-states}_num-gauss={num-gauss}_*".format_map(best["settings"]))
        hyps = read_table(folder / "decode_test" / "hyp")
        wrong, words = wrong + sum(hyps[utt] != text[utt] for utt in hyps), words + len(hyps)
    assert (wrong, words) == (best["errors"], best["words"]) and words == (24 if best["folds"] == 2 else 12)
    assert len(result["candidates"]) == 6 and (tuned / "tune.png").stat().st_size > 10000
    lines = (tuned / "tune.tsv").read_text().splitlines()
    assert (
        lines[1].split("\t")[:5]
        == [str(v) for v in (*best["settings"].values(), best["folds"], wrong, words)]
        and len(lines) == 7
    )
    asrkit("train", data, tmp_path, "--config", tuned / "tuned.conf")
    said = capsys.readouterr().err
    fixed = {
        "family": "chmm",
        "delta-order": 1,
        "max-iters": 5,
        "growth-iters": 2,
        "min-count": 2.0,
        "warps": "",
    }
    for flag, value in {**best["settings"], **fixed}.items():
        assert f"--{flag}={value} " in said
    assert "--cmvn" not in said


def test_called_again_it_goes_on(data, tuned, capsys, unseen):
    before, result, conf = models(tuned), found(tuned), (tuned / "tuned.conf").read_bytes()
    asrkit("tune", data, tuned, *CHMM, *STATES, *GAUSS)
    assert (
        models(tuned) == before and found(tuned) == result and "of 12 wrong, kept;" in capsys.readouterr().err
    )
    next(iter(before)).unlink()
    asrkit("tune", data, tuned, *CHMM, *STATES, *GAUSS)
    after = models(tuned)
    assert {path for path in after if after[path] != before[path]} == {next(iter(before))} and found(
        tuned
    ) == result
    asrkit("tune", data, tuned, *CHMM, "--try", "num-states", "1", "2", "3", *GAUSS)
    assert {
        path: time for path, time in models(tuned).items() if "num-states=2" not in path.parent.name
    } == after
    assert len(found(tuned)[0]) == 9
    (tuned / "tuned.conf").write_bytes(conf)


@pytest.mark.bytes
def test_the_time_is_spent_and_the_number_of_jobs_changes_nothing(data, tuned, tmp_path, capsys, unseen):
    run = ["tune", data, tmp_path, *CHMM, *STATES, *GAUSS]
    asrkit(*run, "--minutes", "1e-9")
    out = capsys.readouterr().out
    made = [read_model(path).family_config for path in models(tmp_path)]
    assert sorted((own.num_states, own.num_gauss) for own in made) == [(1, 1), (1, 2), (1, 4)]
    assert (
        "not even the first fold was heard by all: 1e-09 minutes were too few for 3 of 6 candidates" in out
        and "best of 3" in out
    )
    begun = models(tmp_path)
    asrkit(*run, "--nj", "2")
    assert begun.items() <= models(tmp_path).items() and "minutes" not in capsys.readouterr().out
    result = found(tmp_path)
    asrkit(*run[:2], tuned, *run[3:])
    assert result == found(tuned)


def test_models_on_codes_share_a_codebook_and_are_made_again_by_two_confs(data, tmp_path, unseen):
    asrkit(
        "tune",
        data,
        tmp_path,
        "--family",
        "dhmm",
        "--folds",
        "2",
        "--seed",
        "3",
        "--try",
        "num-states",
        "2",
        "3",
        "--try",
        "codebook-size",
        "8",
    )
    part = tmp_path / "fold_1"
    assert len(list(part.glob("codebook_*"))) == 2  # delta-order 1 and 2, by default
    best = json.loads((tmp_path / "tune.json").read_text())["candidates"][0]["settings"]
    asrkit("train-codebook", part / "train", tmp_path / "again", "--config", tmp_path / "codebook.conf")
    asrkit("train", part / "train", tmp_path / "again", "--config", tmp_path / "tuned.conf")
    folders = [
        folder
        for folder in part.glob("*codebook-size=8*")
        if f"num-states={best['num-states']}_" in folder.name
    ]
    same = [
        (folder / "final.npz").read_bytes() == (tmp_path / "again" / "final.npz").read_bytes()
        for folder in folders
    ]
    assert len(same) == 2 and sum(same) == 1


def test_what_cannot_be_trained_does_not_stop_the_others(data, tmp_path, capsys, unseen):
    shutil.copytree(data, tmp_path / "data")
    feats = read_table(data / "feats.scp")
    utt = list(feats)[-1]  # in training from the first fold on
    write_archive(
        tmp_path / "short.ark", tmp_path / "short.scp", [(utt, read_matrix(feats[utt], base=data)[:3])]
    )
    write_table(tmp_path / "data" / "feats.scp", {**feats, **read_table(tmp_path / "short.scp")})
    run = [
        "tune",
        tmp_path / "data",
        tmp_path / "exp",
        *CHMM,
        "--try",
        "num-gauss",
        "1",
        "--try",
        "num-states",
    ]
    asrkit(*run, "2", "9")
    assert [row[0] for row in found(tmp_path / "exp")[0]] == ["num-states 2, num-gauss 1"]
    assert "1 candidates can't be trained (num-states 9, num-gauss 1): trained on" in capsys.readouterr().out
    asrkit(*run, "9", "10", "--minutes", "1e-9", status=1)
    assert (
        "no candidate can be trained, and 1e-09 minutes were too few for the others; the first: trained on 11"
        in capsys.readouterr().err
    )
    asrkit(*run, "9", status=1)
    assert (
        f"no candidate can be trained; the first: trained on 11, skipped 1 ({utt}: 3 frames <"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["num-stats", "3"],
            "--try num-stats: no setting of chmm that can be tried (did you mean num-states?)",
        ),
        (["codebook-size", "3"], "no setting of chmm"),
        (["num-states", "3", "few"], "--try num-states: invalid int value: 'few'"),
        (["num-states", "0"], "0 is less than 1"),
        (["cmvn", "noen"], "'noen' is none of"),
        (["warps", "0.9,x"], "--warps 0.9,x: 'x' is no number"),
        (["num-states"], "--try num-states: needs values"),
        (["num-gauss", "2", "--try", "num-gauss", "4"], "stands there twice"),
    ],
)
def test_what_cannot_be_tried(data, tmp_path, capsys, words, message):
    with pytest.raises(SystemExit, match="2"):
        asrkit("tune", data, tmp_path / "exp", *CHMM, "--try", *words)
    assert message in capsys.readouterr().err and not (tmp_path / "exp").exists()


def candidates(family, tries=(), fixed=(), has_cmvn=False):
    facts = DataFacts(words=3, recordings=10, fewest=10)
    return grid.combinations(TrainingSettings.of(family), facts, list(tries), fixed, has_cmvn)


def test_the_grid_is_what_was_asked_for_and_the_rest_by_the_family():
    names = list(
        candidates(
            "chmm", [["--num-states", "7", "7"], ["silence true false"]], fixed=["num-gauss"], has_cmvn=True
        )
    )
    assert names == [
        f"num-states 7, cmvn {cmvn}, silence {silence}"
        for cmvn in ("none", "speaker")
        for silence in ("true", "false")
    ]
    assert len(candidates("gmm")) == 6 and len(candidates("dhmm")) == 18
    assert list(candidates("gmm", [["warps", "", "0.9"]], ["num-gauss", "delta-order"])) == [
        "warps none",
        "warps 0.9",
    ]


def test_who_is_trained_together():
    def groups(family, *tries):
        some = candidates(family, [words.split() for words in tries], fixed=["delta-order"])
        return len({candidate.group for candidate in some.values()}), len(some)

    assert groups("chmm", "num-states 2 3", "num-gauss 1 2 4") == (2, 6)
    assert groups("gmm", "num-gauss 1 2 4") == (3, 3)  # k-means gives each its own start
    assert groups("dhmm", "num-states 2 3", "codebook-size 8 16") == (2, 4)


def answers(*wrong, words=40):
    """Whether each of the words was right, but for the first so many of `wrong` places."""
    right = np.ones(words, dtype=bool)
    right[list(wrong)] = False
    return right


def run(right, parameters):
    return {"right": right, "parameters": parameters, "train_s": 1.0, "decode_s": 0.1, "trained_together": 1}


def test_the_race_drops_who_is_seen_to_be_worse_and_never_the_best():
    right = {
        "bad": answers(*range(12)),
        "best": answers(0),
        "near": answers(*range(5)),
        "other": answers(30, 31),
    }
    out = race.beaten(right, "best")
    assert set(out) == {"bad"} and out["bad"] < race.LEVEL
    rng = np.random.default_rng(0)
    for _ in range(50):
        some = {str(i): rng.random(60) > rng.random() for i in range(6)}
        best = race.ranked(some, dict.fromkeys(some, 1))[0]
        assert best not in race.beaten(some, best) and np.sum(~some[best]) == min(
            np.sum(~own) for own in some.values()
        )
    heard = {name: {"1": run(own, 1)} for name, own in right.items()}
    assert race.worse(heard, list(right)) == out


def test_fewest_errors_then_the_smaller_then_the_first():
    right = {
        "c": answers(1),
        "a": answers(2),
        "b": answers(3),
        "small": answers(1, 2, 4),
        "tiny": answers(*range(20)),
    }
    sizes = {"a": 5, "b": 5, "c": 9, "small": 3, "tiny": 1}
    assert race.ranked(right, sizes) == ["a", "b", "c", "small", "tiny"]
    assert race.smallest(right, sizes) == "small"


def test_all_are_compared_on_the_folds_that_all_have_heard():
    heard = {
        "a": {"1": run(answers(0), 9), "2": run(answers(0, 1, 2), 9)},
        "b": {"1": run(answers(0, 1), 4)},
        "late": {},
        "out": {"1": run(answers(*range(20)), 2)},
    }
    rows, small, p = race.standings(heard, ["a", "b", "late"], {"out": "1"})
    assert [(row["name"], row["folds"], row["errors"], row["words"], row["out"]) for row in rows] == [
        ("a", 1, 1, 40, None),
        ("b", 1, 2, 40, None),
        ("out", 1, 20, 40, "1"),
    ]
    assert (small, p) == ("b", 1.0)
