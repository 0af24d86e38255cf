"""Settings that follow the data: what nobody chose is chosen by the family's rules, at every door, by the data that are trained on."""

import json

import numpy as np
import pytest
from command import asrkit
from synthetic import word_samples, write_words

import asrkit as face
from asrkit import families
from asrkit.errors import DataError, SettingsError
from asrkit.evaluation.grids import combinations
from asrkit.families.base import DataFacts
from asrkit.io.archive import read_matrix, write_archive
from asrkit.io.data_dir import DataDir, read_data_dir
from asrkit.io.facts import count_facts, data_facts
from asrkit.io.files import read_table
from asrkit.io.model_file import read_codebook, read_model
from asrkit.words.settings import TrainingSettings, fields_of, ruled_values

FOUR = DataFacts(words=2, recordings=6, fewest=5, speakers=4, frames=40)
QUICK = ["--max-iters", "3", "--family", "gmm"]


def rules(self, facts, chosen):
    """A Gaussian a speaker, two where nobody knows who speaks; and something of every other part."""
    return {"num_gauss": facts.speakers or 2, "cmvn": "utterance", "tol": 0.5, "warps": ""}


@pytest.fixture
def ruled(monkeypatch):
    monkeypatch.setattr(type(families.load("gmm")), "rules", rules)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Four speakers say two words three times."""
    top = tmp_path_factory.mktemp("rules")
    speakers = ("anna", "bert", "carl", "dora")
    write_words(top / "wavs", "{word}_{speaker}_{take}.wav", ("one", "two"), speakers, range(3))
    asrkit("prepare-wavs", top / "wavs", top / "data", "--pattern", "{word}_{speaker}_{index}")
    asrkit("compute-mfcc", top / "data", "--sample-frequency=8000")
    return top / "data"


def test_what_is_counted():
    words = {"a1": "no", "a2": "no", "b1": "no", "c1": "yes"}
    speakers = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}
    assert count_facts(words, speakers, [30, 50, 20]) == DataFacts(2, 1, 1, 3, 30)
    assert count_facts(words) == DataFacts(2, 1, 1, None, None)
    assert count_facts({}) == DataFacts(0, 0, 0, None, None)


def test_copies_of_recordings_are_no_recordings():
    words = {"a": "no", "b": "no", "a-noise": "no", "a-room": "no"}
    facts = count_facts(words, dict.fromkeys(words, "ann"), originals={"a-noise": "a", "a-room": "a"})
    assert facts == DataFacts(1, 2, 2, 1)


@pytest.mark.parametrize(
    "speakers, known",
    [
        ({"a": "a", "b": "b", "c": "c"}, None),  # each its own
        ({"a": "ann"}, None),  # most are not known
        ({"a": "ann", "b": "bob", "c": "c"}, 2),
        ({"a": "ann", "b": "bob", "c": "cid"}, 3),  # one utterance each
    ],
)
def test_who_is_known(speakers, known):
    assert count_facts(dict.fromkeys("abc", "no"), speakers).speakers == known


def test_the_copy_of_somebody_unknown_is_unknown():
    assert count_facts({"a": "no", "x": "no"}, {"a": "a", "x": "a"}, originals={"x": "a"}).speakers is None


def test_a_data_directory_is_counted(data):
    facts = data_facts(read_data_dir(data))
    frames = [int(line.split()[1]) for line in (data / "utt2num_frames").read_text().splitlines()]
    assert facts == DataFacts(2, 12, 12, 4, sorted(frames)[len(frames) // 2 - 1])
    assert data_facts(DataDir(data / "nowhere", feats={"a": "", "b": ""})) == DataFacts(1, 2, 2)


def test_what_somebody_chose_stays(ruled):
    assert TrainingSettings.of("gmm").for_data(FOUR).model.num_gauss == 4
    default = TrainingSettings.of("gmm").model.num_gauss
    for asked, given in ((None, {"num_gauss": default}), ((), {"num_gauss": 7})):
        own = TrainingSettings.of("gmm", asked=asked, **given).for_data(FOUR)
        assert own.model.num_gauss == given["num_gauss"] and own.transform.cmvn == "utterance"
        assert own.ruled == ("cmvn", "tol", "warps") and own.warp.factors == (1.0,)


def test_what_the_data_have_chosen_stays(ruled):
    own = TrainingSettings.of("gmm").for_data(FOUR)
    assert own.for_data(DataFacts(2, 6, 5, 9)) is own
    assert own.why() == "gmm: 4 Gaussians, cmvn=utterance, tol=0.5, warps=: 4 speakers, 6 recordings a word"
    assert TrainingSettings.of("gmm").why() == ""


@pytest.mark.parametrize("asked", [{"num_symbols": 512}, {"num_symbols": 8}, {"codebook_size": 512}])
def test_a_codebook_has_the_size_that_was_asked_for_under_either_name(monkeypatch, asked):
    monkeypatch.setattr(
        type(families.load("dhmm")), "rules", lambda self, facts, chosen: {"codebook_size": 32}
    )
    assert TrainingSettings.of("dhmm").for_data(FOUR).codebook.size == 32
    assert TrainingSettings.of("dhmm", **asked).for_data(FOUR).codebook.size == min(asked.values())


@pytest.mark.parametrize("family", families.names())
def test_rules_choose_settings_that_there_are(family):
    known, names = fields_of(family), set(ruled_values(family))
    assert names <= set(known)
    for speakers in (None, 1, 2, 4, 95):
        for recordings in (1, 2, 5, 40):
            facts = DataFacts(10, recordings, 1, speakers)
            assert {name for name in names if name != "num_symbols"} == set(
                families.load(family).rules(facts, {})
            )
            own = TrainingSettings.of(family).for_data(facts)
            assert families.load(family).describe(own.model)


def test_train_follows_the_data_says_so_and_records_it(data, tmp_path, ruled, capsys):
    asrkit("train", data, tmp_path, *QUICK)
    why = "gmm: 4 Gaussians, --cmvn utterance, --tol 0.5, --warps=: 4 speakers, 12 recordings a word\n"
    assert capsys.readouterr().out.startswith(why)
    found = read_model(tmp_path)
    assert found.config["family"]["num_gauss"] == 4 and found.frontend.transform.cmvn == "utterance"
    assert found.ruled == ("num_gauss", "cmvn", "tol", "warps")
    assert found.config["rules"]["facts"] == vars(data_facts(read_data_dir(data)))
    asrkit("info", tmp_path)
    assert (
        "chosen by the data (4 speakers, 12 recordings a word): num_gauss cmvn tol warps\n"
        in capsys.readouterr().out
    )
    by_hand = ["--num-gauss", "4", "--cmvn", "utterance", "--tol", "0.5", "--warps="]
    asrkit("train", data, tmp_path / "hand", *QUICK, *by_hand)
    assert read_model(tmp_path / "hand").ruled == () and "recordings a word" not in capsys.readouterr().out
    assert (tmp_path / "train.jsonl").read_bytes() == (tmp_path / "hand" / "train.jsonl").read_bytes()


def test_a_flag_and_a_line_of_a_conf_file_win_though_they_say_the_default(data, tmp_path, ruled):
    (tmp_path / "conf").write_text("--cmvn=none\n")
    asrkit("train", data, tmp_path, *QUICK, "--num-gauss=64", "--config", tmp_path / "conf")
    found = read_model(tmp_path)
    assert found.config["family"]["num_gauss"] == 64 and found.frontend.transform.cmvn == "none"
    assert found.ruled == ("tol", "warps")


def test_help_says_what_the_data_may_choose(ruled, capsys):
    with pytest.raises(SystemExit):
        asrkit("train", "--family", "gmm", "--help")
    said = " ".join(capsys.readouterr().out.split())
    assert "Gaussians of each word's mixture (default: by the data: 1 to 1024)" in said
    assert "(default: by the data: utterance)" in said and "(default: by the data: none)" in said


def test_states_by_the_data_may_be_more_than_a_recording_has_frames(data, tmp_path, monkeypatch):
    by_data = {"num_states": 5, "num_gauss": 1, "warps": ""}
    monkeypatch.setattr(type(families.load("chmm")), "rules", lambda self, facts, chosen: by_data)
    short = tmp_path / "short"
    asrkit("subset-data", data, short, "--utt-regex", "anna")
    feats = {utt: read_matrix(spec) for utt, spec in read_table(short / "feats.scp").items()}
    feats["anna-one-0"] = feats["anna-one-0"][:3]
    write_archive(tmp_path / "short.ark", short / "feats.scp", feats.items())
    (short / "utt2num_frames").unlink()
    asrkit("train", data, tmp_path / "ruled", "--family", "chmm", "--max-iters", "2")
    asrkit("decode", tmp_path / "ruled", short, tmp_path / "ruled" / "decode")
    asrkit("train", data, tmp_path / "asked", "--family", "chmm", "--max-iters", "2", "--num-states", "5")
    asrkit("decode", tmp_path / "asked", short, tmp_path / "asked" / "decode", status=1)


def test_each_fold_follows_its_own_speakers(data, tmp_path, ruled):
    asrkit("crossval", data, tmp_path, "--folds", "2", *QUICK)
    assert [read_model(tmp_path / f"fold_{fold}").config["family"]["num_gauss"] for fold in (1, 2)] == [2, 2]


def test_a_fold_is_kept_while_the_rules_say_the_same(data, tmp_path, ruled, monkeypatch):
    def seconds():
        asrkit("crossval", data, tmp_path, "--folds", "2", *QUICK)
        return (tmp_path / "fold_1" / "run.json").stat().st_mtime_ns

    first = seconds()
    assert seconds() == first
    monkeypatch.setattr(
        type(families.load("gmm")),
        "rules",
        lambda self, facts, chosen: {**rules(self, facts, chosen), "tol": 0.4},
    )
    assert seconds() != first


def test_a_draw_of_a_learning_curve_follows_what_was_drawn(data, tmp_path, ruled):
    asrkit("learning-curve", data, data, tmp_path, "--counts", "1,all", "--draws", "1", *QUICK)
    drawn = len(set(read_table(tmp_path / "count_1" / "draw_1" / "train" / "utt2spk").values()))
    assert read_model(tmp_path / "count_1" / "draw_1").config["family"]["num_gauss"] == drawn < 4
    assert read_model(tmp_path / "count_all").config["family"]["num_gauss"] == 4


def test_a_search_keeps_what_it_tries_and_leaves_the_rest_to_the_data(data, tmp_path, ruled):
    asrkit("tune", data, tmp_path, "--folds", "2", *QUICK, "--try", "cmvn", "none", "utterance")
    tried = json.loads((tmp_path / "tune.json").read_text())["candidates"]
    assert {(own["settings"]["cmvn"], own["settings"]["num-gauss"]) for own in tried} == {
        (cmvn, count) for cmvn in ("none", "utterance") for count in (1, 2, 4)
    }
    folder = next((tmp_path / "fold_1").glob("*num-gauss=1*cmvn=none*"))  # the default of two speakers is 2
    found = read_model(folder)
    assert found.ruled == ("tol", "warps") and found.config["family"]["num_gauss"] == 1
    assert found.frontend.transform.cmvn == "none"
    assert "tol" not in (tmp_path / "tuned.conf").read_text()


def test_what_a_grid_of_its_own_tries_stays_though_it_is_the_default(monkeypatch):
    monkeypatch.setattr(
        type(families.load("gmm")), "rules", lambda self, facts, chosen: {"delta_order": 1, "num_gauss": 8}
    )
    candidates = combinations(TrainingSettings.of("gmm"), FOUR, [])
    tried = [(own.tried["num-gauss"], own.tried["delta-order"]) for own in candidates.values()]
    assert sorted(tried) == [
        (count, order) for count in (2, 4, 8) for order in (1, 2)
    ]  # about what the data ask for
    followed = [own.settings.for_data(FOUR) for own in candidates.values()]
    assert [(own.model.num_gauss, own.transform.delta_order) for own in followed] == tried


def test_the_start_for_a_cluster_and_a_codebook_follow_the_data(data, tmp_path, ruled, monkeypatch, capsys):
    asrkit("init-model", data, tmp_path, "--family", "gmm")
    assert read_model(tmp_path / "0.npz").config["family"]["num_gauss"] == 4
    dhmm = type(families.load("dhmm"))
    monkeypatch.setattr(
        dhmm, "rules", lambda self, facts, chosen: {"codebook_size": facts.speakers or 2, "delta_order": 0}
    )
    asrkit("train-codebook", data, tmp_path)
    assert read_codebook(tmp_path / "codebook.npz")[0].size == 4
    asrkit("train", data, tmp_path, "--family", "dhmm", "--num-states", "3")
    assert read_model(tmp_path).config["family"]["num_symbols"] == 4
    asrkit("train-codebook", data, tmp_path, "--codebook-size", "3", "--delta-order", "2")
    book, frontend = read_codebook(tmp_path / "codebook.npz")
    assert book.size == 3 and frontend.transform.delta_order == 2
    capsys.readouterr()
    with pytest.raises(SystemExit):
        asrkit("train-codebook", "--help")
    assert "(default: by the data: 1 to 1024)" in " ".join(capsys.readouterr().out.split())


def sounds(takes):
    rng = np.random.default_rng(0)
    return {word: [word_samples(word, rng) for _ in range(takes)] for word in ("one", "two")}


def test_python_knows_the_speakers_that_it_is_told(data, ruled, tmp_path):
    trained = {
        who: face.train(
            sounds(4), rate_hz=8000, family="gmm", max_iters=2, speakers=speakers
        ).vocabulary.config
        for who, speakers in (
            ("nobody", None),
            ("three", {word: ["a", "b", "c", "c"] for word in ("one", "two")}),
        )
    }
    assert [own["family"]["num_gauss"] for own in trained.values()] == [2, 3]
    asrkit("train", data, tmp_path, *QUICK)
    face.train(data, family="gmm", max_iters=3).save(tmp_path / "python")
    assert (tmp_path / "python" / "final.npz").read_bytes() == (tmp_path / "final.npz").read_bytes()


@pytest.mark.parametrize(
    "speakers, said",
    [
        (["a"], r"speakers is \['a'\] \(list\), it should be a dict"),
        ({"one": ["a", "b"]}, r"speakers\['two'\] is .*, it should be a list of 2"),
        (
            {"one": ["a"], "two": ["a", "b"]},
            r"speakers\['one'\] is \['a'\] \(list\), it should be a list of 2",
        ),
        ({"one": "ab", "two": ["a", "b"]}, r"speakers\['one'\] is 'ab' \(str\)"),
    ],
)
def test_speakers_that_do_not_fit_the_recordings(speakers, said):
    with pytest.raises(DataError, match=said):
        face.train(sounds(2), rate_hz=8000, family="gmm", speakers=speakers)


def test_speakers_go_with_recordings(data):
    with pytest.raises(SettingsError, match="speakers= goes with a dict of recordings"):
        face.train(data, family="gmm", speakers={})


def test_groups_are_the_speakers_of_an_estimator(ruled):
    from asrkit.sklearn import WordClassifier

    rng = np.random.default_rng(0)
    X, y = [rng.normal(size=(30, 2)) for _ in range(12)], ["a", "b"] * 6
    for groups, count in ((None, 2), ([f"speaker {i // 4}" for i in range(12)], 3)):
        model = WordClassifier("gmm", max_iters=2).fit(X, y, groups)
        assert model.recognizer_.vocabulary.config["family"]["num_gauss"] == count
