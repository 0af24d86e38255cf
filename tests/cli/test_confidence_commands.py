"""Words that are no words of the model, through the commands and from Python: train, calibrate, decode, recognize, score."""

import json

import pytest
from command import MFCC, asrkit
from synthetic import write_words

import asrkit as asrkit_face
from asrkit.io.files import read_table
from asrkit.words.confidence import UNKNOWN
from asrkit.workflows.unknown import read_trials

SPEAKERS = ("anna", "bert", "carl", "dora")
SMALL = ["--family=chmm", "--num-states=4", "--warps=", "--cmvn=none"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Three words of four speakers; other takes of them and of a fourth word; a model."""
    top = tmp_path_factory.mktemp("world")
    for part, words, takes in (
        ("train", ("one", "two", "three"), range(6)),
        ("test", ("one", "two", "three", "four"), range(6, 9)),
    ):
        write_words(top / f"{part}_wavs", "{word}_{speaker}_{take}.wav", words, SPEAKERS, takes)
        asrkit("prepare-wavs", top / f"{part}_wavs", top / part, "--pattern", "{word}_{speaker}_{index}")
        asrkit("compute-mfcc", top / part, *MFCC)
    asrkit("train", top / "train", top / "exp", *SMALL)
    return top


def test_training_says_what_passes_and_another_number_of_jobs_says_the_same(world, tmp_path, capsys):
    asrkit("train", world / "train", tmp_path, *SMALL, "--nj=2")
    said = capsys.readouterr().out
    assert "confidence: where 5 % of the right words are rejected (from speaker to speaker" in said
    assert "speakers held out, each word unknown in turn" in said
    assert (tmp_path / "final.npz").read_bytes() == (world / "exp" / "final.npz").read_bytes()


def test_calibrating_afterwards_is_as_if_training_had_done_it(world, tmp_path, capsys):
    asrkit("train", world / "train", tmp_path, *SMALL, "--calibrate=false")
    assert "confidence" not in capsys.readouterr().out
    asrkit("recognize", tmp_path, world / "test_wavs" / "one_anna_6.wav", "--confidence=true")
    assert capsys.readouterr().out.endswith(" -\n")
    asrkit("decode", tmp_path, world / "test", tmp_path / "decode", "--reject=0.05", status=1)
    assert "does not know how sure it may be (asrkit calibrate" in capsys.readouterr().err
    asrkit("calibrate", tmp_path, world / "train")
    mine, theirs = (asrkit_face.load(exp).vocabulary.confidence for exp in (tmp_path, world / "exp"))
    assert mine.to_dict() == theirs.to_dict()


def test_other_recordings_of_the_words_serve_too(world, tmp_path, capsys):
    (tmp_path / "final.npz").write_bytes((world / "exp" / "final.npz").read_bytes())
    asrkit("calibrate", tmp_path / "final.npz", world / "test")
    assert "speakers held out" in capsys.readouterr().out
    mine, theirs = (asrkit_face.load(exp).vocabulary.confidence for exp in (tmp_path, world / "exp"))
    assert mine.folds == "speakers" and mine.to_dict() != theirs.to_dict()


def test_what_has_no_states_is_refused(world, tmp_path, capsys):
    asrkit("train", world / "train", tmp_path, "--family=dtw", "--warps=")
    asrkit("calibrate", tmp_path, world / "train", status=1)
    assert "a dtw has no states to be judged by (a chmm, gmm, schmm or dhmm has)" in capsys.readouterr().err


def test_a_word_without_recordings_is_named(world, tmp_path, capsys):
    asrkit("subset-data", world / "train", tmp_path / "some", "--utt-regex=-(one|two)-")
    asrkit("calibrate", world / "exp", tmp_path / "some", status=1)
    assert "no recording of 'three', a word of the model" in capsys.readouterr().err


def test_unknown_words_are_rejected_and_counted_apart(world, tmp_path, capsys):
    asrkit("decode", world / "exp", world / "test", tmp_path / "all")
    asrkit("decode", world / "exp", world / "test", tmp_path / "sure", "--reject=0.05")
    truth, hyp, sure = (
        read_table(path)
        for path in (world / "test" / "text", tmp_path / "sure" / "hyp", tmp_path / "sure" / "confidence")
    )
    assert set(sure) == set(hyp) == set(truth)
    unknown = [utt for utt, word in truth.items() if word == "four"]
    assert sum(hyp[utt] == UNKNOWN for utt in unknown) >= 10  # of 12
    rejected = sum(hyp[utt] == UNKNOWN for utt in truth) - sum(hyp[utt] == UNKNOWN for utt in unknown)
    assert rejected <= 8  # of 36
    passed = sum(hyp[utt] != UNKNOWN for utt in unknown)
    capsys.readouterr()
    asrkit("score", world / "test", tmp_path / "sure")
    said = capsys.readouterr().out
    assert f"rejected {rejected} of 36 words that it knows" in said
    assert f"accepted {passed} of 12 that it does not know" in said
    assert f"[ {rejected + passed} / 48," in said  # a word that is not known is rightly heard as none
    asrkit("score", world / "test", tmp_path / "all")
    assert "rejected" not in capsys.readouterr().out


@pytest.mark.parametrize("listen", ["--adapt=none", "--adapt=whole", "--adapt=mllr", "--method=forward"])
def test_however_it_listens_it_says_how_sure_it_is(world, tmp_path, listen):
    asrkit("decode", world / "exp", world / "test", tmp_path, listen, "--min-confidence=0.95")
    hyp, sure = read_table(tmp_path / "hyp"), read_table(tmp_path / "confidence")
    assert {utt: float(p) < 0.95 for utt, p in sure.items()} == {
        utt: word == UNKNOWN for utt, word in hyp.items()
    }
    assert 0 < sum(word == UNKNOWN for word in hyp.values()) < 48


def test_warped_copies_have_no_probability(world, tmp_path, capsys):
    warped = [world / "exp", world / "test", tmp_path, "--test-warps=0.9,1.1"]
    asrkit("decode", *warped)
    assert read_table(tmp_path / "confidence") == {}
    with pytest.raises(SystemExit):
        asrkit("decode", *warped, "--reject=0.05")
    assert "of warped copies no probability is known" in capsys.readouterr().err


def test_files_are_heard_as_lines_of_json(world, capsys):
    paths = [world / "test_wavs" / f"{word}_anna_6.wav" for word in ("one", "four")]
    asrkit("recognize", world / "exp", *paths, "--reject=0.05", "--json=true")
    known, unknown = map(json.loads, capsys.readouterr().out.splitlines())
    assert known["word"] == "one" and known["file"] == str(paths[0]) and 0.5 < known["p"] <= 1
    assert unknown["word"] == UNKNOWN and 0 <= unknown["p"] < known["p"]
    assert max(known["scores"], key=known["scores"].get) == "one" and set(known["scores"]) == {
        "one",
        "two",
        "three",
    }


def test_a_file_that_cannot_be_heard_is_a_line_of_json_too(world, tmp_path, capsys):
    asrkit("recognize", world / "exp", tmp_path / "none.wav", "--json=true", status=1)
    line = json.loads(capsys.readouterr().out)
    assert line["word"] is None and "none.wav" in line["error"]


def test_python_says_the_same(world, capsys):
    path = world / "test_wavs" / "four_bert_7.wav"
    asrkit("recognize", world / "exp", path)
    plain = capsys.readouterr().out
    asrkit("recognize", world / "exp", path, "--min-confidence=0.0001")
    assert capsys.readouterr().out.startswith(plain.rstrip() + " ")
    asrkit("recognize", world / "exp", path, "--confidence=true")
    sure = capsys.readouterr().out.removeprefix(plain.rstrip()).strip()
    heard = asrkit_face.load(world / "exp").recognize(path)
    assert f"{heard.confidence:.3f}" == sure and heard.word != UNKNOWN
    doubtful = asrkit_face.load(world / "exp", min_confidence=min(1.0, heard.confidence + 0.001)).recognize(
        path
    )
    assert doubtful.word == UNKNOWN and doubtful.scores == heard.scores
    with pytest.raises(asrkit_face.AsrkitError, match="one of them decides"):
        asrkit_face.load(world / "exp", reject=0.1, min_confidence=0.5)
    with pytest.raises(asrkit_face.AsrkitError, match="leave reject= and min_confidence= out"):
        asrkit_face.load(world / "exp", reject=0.1, test_warps="0.9")


def test_each_word_is_unknown_in_turn(world, tmp_path, capsys):
    asrkit("unknown", world / "exp", world / "test", tmp_path / "a", "--nj=2")
    said = capsys.readouterr().out
    assert "unknown words: equal error rate" in said and "probabilities: Brier score" in said
    trials = read_trials(tmp_path / "a" / "trials.tsv")
    # 36 recordings of three words with all words and without their own, and 12 of a fourth
    assert len(trials) == 2 * 36 + 12 and sum(trial.known for trial in trials) == 36
    asrkit("decode", world / "exp", world / "test", tmp_path / "decode", "--adapt=none", "--cmvn-memory=none")
    sure = read_table(tmp_path / "decode" / "confidence")
    for trial in trials:
        if trial.known or trial.utt.partition("-")[2].startswith("four"):
            assert f"{trial.p:.6f}" == sure[trial.utt]
    told = json.loads((tmp_path / "a" / "detection.json").read_text())
    assert told["words"] == 3 and 0 <= told["false_accepts"]["0.05"] <= 0.2
    for name in ("det.png", "calibration.png"):
        assert (tmp_path / "a" / name).read_bytes().startswith(b"\x89PNG")


def test_others_are_all_unknown(world, tmp_path):
    asrkit("subset-data", world / "test", tmp_path / "four", "--utt-regex=-four-")
    asrkit("subset-data", world / "test", tmp_path / "one", "--utt-regex=-one-")
    (tmp_path / "four" / "text").unlink()
    asrkit("unknown", world / "exp", tmp_path / "one", tmp_path / "out", "--others", tmp_path / "four")
    trials = read_trials(tmp_path / "out" / "trials.tsv")
    assert len(trials) == 2 * 12 + 12 and sum(not trial.known for trial in trials) == 24


def test_crossval_leaves_words_out(world, tmp_path, capsys):
    options = [world / "train", tmp_path, *SMALL, "--folds=2", "--unknown=each"]
    asrkit("crossval", *options)
    said = capsys.readouterr().out
    trials = read_trials(tmp_path / "trials.tsv")
    assert len(trials) == 2 * 72 and {trial.utt for trial in trials} == set(
        read_table(world / "train" / "text")
    )
    assert "unknown words: equal error rate" in said and len(read_table(tmp_path / "confidence")) == 72
    asrkit("crossval", *options)
    captured = capsys.readouterr()
    assert captured.out == said and "kept" in captured.err
    with pytest.raises(SystemExit):
        asrkit("crossval", world / "train", tmp_path / "dtw", "--family=dtw", "--unknown=each")


def test_broken_trials_are_named(tmp_path):
    path = tmp_path / "trials.tsv"
    for text in (
        "",
        "utt\tp\n",
        "utt\tspeaker\tknown\tright\tp\nu\ts\t1\t1\n",
        "utt\tspeaker\tknown\tright\tp\nu\ts\t1\t1\tx\n",
    ):
        path.write_text(text)
        with pytest.raises(asrkit_face.AsrkitError, match="trials.tsv"):
            read_trials(path)


def test_a_model_without_confidence_is_told_how_to_get_it(world, tmp_path, capsys):
    asrkit("train", world / "train", tmp_path, *SMALL, "--calibrate=false")
    asrkit("unknown", tmp_path, world / "test", tmp_path / "out", status=1)
    assert "asrkit calibrate makes it know" in capsys.readouterr().err


def test_the_likeliest_words_and_their_probabilities(world, tmp_path, capsys):
    path = world / "test_wavs" / "four_bert_7.wav"
    heard = asrkit_face.load(world / "exp").recognize(path)
    best = heard.nbest(9)
    assert {own.word for own in best} == {"one", "two", "three", UNKNOWN}
    assert (
        sum(own.posterior for own in best) == pytest.approx(1)
        and heard.posteriors[heard.word] == heard.confidence
    )
    assert [own.posterior for own in best] == sorted((own.posterior for own in best), reverse=True)
    assert {own.word: own.log_likelihood for own in best} == {**heard.scores, UNKNOWN: None}
    asrkit("recognize", world / "exp", path, "--json=true", "--nbest=2")
    told = json.loads(capsys.readouterr().out)
    assert told["nbest"] == [own._asdict() for own in best[:2]] and told["word"] == heard.word
    asrkit("recognize", world / "exp", path, "--nbest=4", "--reject=0.05")
    lines = [line.split(" ") for line in capsys.readouterr().out.splitlines()]
    assert [(line[1], line[4]) for line in lines] == [(own.word, f"{own.posterior:.3f}") for own in best]
    margins = {line[1]: line[3] for line in lines}
    assert margins[heard.word] == f"{heard.margin:.2f}" and margins[UNKNOWN] == "-"
    assert (
        sum(float(margin) < 0 for word, margin in margins.items() if word not in (heard.word, UNKNOWN)) == 2
    )
    with pytest.raises(asrkit_face.AsrkitError, match="n=0 is less than 1"):
        heard.nbest(0)


@pytest.mark.parametrize("nj", [1, 2])
def test_decoding_writes_the_likeliest_words(world, tmp_path, nj):
    asrkit("decode", world / "exp", world / "test", tmp_path, "--nbest=2", "--adapt=none", f"--nj={nj}")
    rows = [line.split(" ") for line in (tmp_path / "nbest").read_text().splitlines()]
    hyp, sure = read_table(tmp_path / "hyp"), read_table(tmp_path / "confidence")
    assert [row[0] for row in rows] == [utt for utt in hyp for _ in range(2)]
    for first, second in zip(rows[::2], rows[1::2]):
        assert float(first[2]) >= float(second[2])
        assert {word: p for _, word, p, _ in (first, second)}.get(hyp[first[0]], sure[first[0]]) == sure[
            first[0]
        ]
    asrkit("decode", world / "exp", world / "test", tmp_path)
    assert not (tmp_path / "nbest").exists()  # of another decoding


def test_without_a_calibration_the_likeliest_have_no_probabilities(world, tmp_path, capsys):
    asrkit("train", world / "train", tmp_path, *SMALL, "--calibrate=false")
    asrkit("decode", tmp_path, world / "test", tmp_path / "decode", "--nbest=9")
    rows = [line.split(" ") for line in (tmp_path / "decode" / "nbest").read_text().splitlines()]
    assert len(rows) == 48 * 3 and {row[2] for row in rows} == {"-"}
    hyp = read_table(tmp_path / "decode" / "hyp")
    assert {row[0]: row[1] for row in rows[::3]} == hyp
    capsys.readouterr()
    asrkit("recognize", tmp_path, world / "test_wavs" / "one_anna_6.wav", "--nbest=2")
    assert [line.split(" ")[4] for line in capsys.readouterr().out.splitlines()] == ["-", "-"]


@pytest.mark.parametrize("memory", ["speaker", "whole"])
def test_unknown_words_of_speakers_who_are_normalised(world, tmp_path, memory):
    asrkit("train", world / "train", tmp_path / "exp", *SMALL[:-1], "--cmvn=map")
    asrkit("unknown", tmp_path / "exp", world / "test", tmp_path / "a", f"--cmvn-memory={memory}")
    listen = ["--adapt=none", f"--cmvn-memory={memory}"]
    asrkit("decode", tmp_path / "exp", world / "test", tmp_path / "decode", *listen)
    sure = read_table(tmp_path / "decode" / "confidence")
    trials = [trial for trial in read_trials(tmp_path / "a" / "trials.tsv") if trial.known]
    assert len(trials) == 36 and all(f"{trial.p:.6f}" == sure[trial.utt] for trial in trials)
