"""A model that gets to know who speaks: decode by utt2spk, recognize and Recognizer by what was heard, all alike."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command import MFCC, asrkit
from synthetic import RATE_HZ, word_samples, write_words

import asrkit as package
from asrkit.errors import DataError
from asrkit.features.warp import WarpConfig
from asrkit.io.archive import read_scp
from asrkit.io.data_dir import read_data_dir
from asrkit.io.features import read_features
from asrkit.io.files import read_table, write_table
from asrkit.io.model_file import read_stats
from asrkit.io.store import Store

CHMM = ["--family=chmm", "--num-states=3", "--num-gauss=1", "--warps="]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """data: three speakers, their utterances in turn; one of bert's is shorter than any word.

    chmm remembers, plain does not, and other has features of another kind.
    """
    top = tmp_path_factory.mktemp("world")
    write_words(
        top / "wavs", "{word}_{take}_{speaker}.wav", speakers=("anna", "bert", "carl"), takes=range(2)
    )
    soundfile.write(
        top / "wavs" / "one_0_bert.wav", word_samples("one", np.random.default_rng(0))[:280], RATE_HZ
    )
    asrkit("prepare-wavs", top / "wavs", top / "named", "--pattern", "{word}_{index}_{speaker}")
    shutil.copytree(top / "named", top / "data")
    for name in ("wav.scp", "text", "utt2spk"):  # one-0-anna, one-0-bert, ...
        table = read_table(top / "named" / name)
        turned = {"-".join([*utt.split("-")[1:], utt.split("-")[0]]): value for utt, value in table.items()}
        write_table(top / "data" / name, dict(sorted(turned.items())))
    (top / "data" / "spk2utt").unlink()
    asrkit("compute-mfcc", top / "data", *MFCC)
    asrkit("subset-data", top / "data", top / "train", "--utt-regex", "one-0-bert", "--exclude", "true")
    asrkit("train", top / "train", top / "chmm", *CHMM, "--cmvn=map")
    asrkit(
        "train",
        top / "train",
        top / "plain",
        "--family=dhmm",
        "--num-states=3",
        "--num-symbols=8",
        "--cmvn=none",
    )
    shutil.copytree(top / "train", top / "wide")
    asrkit("compute-mfcc", top / "wide", *MFCC, "--num-ceps=10")
    asrkit("train", top / "wide", top / "other", *CHMM, "--cmvn=map")
    return top


def scores(out):
    return dict(read_scp(read_table(out / "scores.scp")))


def decoded(world, tmp_path, data="data", name="out", *options):
    asrkit("decode", world / "chmm", world / data, tmp_path / name, "--max-skipped=1", *options)
    return scores(tmp_path / name)


def recordings(world, speaker):
    """The speaker's utterances and files, in the order of the data."""
    data = read_data_dir(world / "data")
    return {utt: data.wav[utt] for utt in data.feats if data.speaker(utt) == speaker}


@pytest.mark.bytes
def test_decode_whoever_shares_the_work(world, tmp_path):
    whole = decoded(world, tmp_path)
    decoded(world, tmp_path, "data", "two", "--nj=2")
    assert (tmp_path / "out" / "scores.ark").read_bytes() == (tmp_path / "two" / "scores.ark").read_bytes()
    assert len({utt.rpartition("-")[2] for utt in list(whole)[:3]}) == 3  # they speak in turn
    for speaker in ("anna", "bert", "carl"):
        asrkit("subset-data", world / "data", world / speaker, "--utt-regex", f".*{speaker}")
        alone = decoded(world, tmp_path, speaker, speaker)
        assert len(alone) == 6
        for utt, row in alone.items():
            np.testing.assert_allclose(row, whole[utt], rtol=1e-5)
    none = decoded(world, tmp_path, "data", "none", "--cmvn-memory=none")
    first = {"one-0-anna", "one-0-bert", "one-1-bert", "one-0-carl"}  # nothing is remembered of one-0-bert
    assert {utt for utt in none if np.allclose(none[utt], whole[utt], rtol=1e-5)} == first
    asrkit("decode", world / "plain", world / "data", tmp_path / "plain", "--max-skipped=1")
    asrkit("decode", world / "plain", world / "data", tmp_path / "p", "--max-skipped=1", "--cmvn-memory=none")
    for utt, row in scores(tmp_path / "plain").items():
        np.testing.assert_array_equal(row, scores(tmp_path / "p")[utt])


def test_speakers_who_are_not_known_are_their_own(world, tmp_path):
    shutil.copytree(world / "data", world / "nobody")
    (world / "nobody" / "utt2spk").unlink()
    none = decoded(world, tmp_path, "data", "none", "--cmvn-memory=none")
    for utt, row in decoded(world, tmp_path, "nobody").items():
        np.testing.assert_array_equal(row, none[utt])


def test_a_recognizer_hears_as_decode_does(world, tmp_path):
    expected, model = decoded(world, tmp_path), package.load(world / "chmm")
    for name in ("anna", "bert"):
        speaker, path = model.speaker(), tmp_path / f"{name}.npz"
        for number, (utt, wav) in enumerate(recordings(world, name).items()):
            if utt == "one-0-bert":
                before = speaker.memory
                with pytest.raises(DataError, match="frames < 3 states"):
                    model.recognize(wav, endpoint=False, speaker=speaker)
                assert speaker.memory is before
                continue
            heard = model.recognize(wav, endpoint=False, speaker=speaker)
            np.testing.assert_allclose(list(heard.scores.values()), expected[utt], rtol=1e-5, atol=2e-3)
            if number == 3:  # another day
                speaker.save(path)
                speaker = package.load(world / "chmm").speaker(path)
        assert repr(speaker).startswith(f"<Speaker: {6 - (name == 'bert')} recordings, ")
    # without the speaker each is alone
    *_, (utt, wav) = recordings(world, "anna").items()
    alone = decoded(world, tmp_path, "data", "none", "--cmvn-memory=none")[utt]
    np.testing.assert_allclose(model.scores([wav], endpoint=False)[0], alone, rtol=1e-5)
    np.testing.assert_allclose(list(model.recognize(wav, endpoint=False).scores.values()), alone, rtol=1e-5)


def test_nothing_is_learned_where_nothing_is_heard(world):
    model = package.load(world / "chmm")
    speaker, sound = model.speaker(), word_samples("two", np.random.default_rng(0))
    for nothing in (np.zeros(8000), sound[:0], sound[:150], np.full(8000, 0.2)):
        with pytest.raises(DataError):
            model.recognize(nothing, RATE_HZ, speaker=speaker)
    assert speaker.memory.recordings == 0 and not speaker.memory.stats.any()


def heard(capsys):
    return [line for line in capsys.readouterr().out.splitlines() if not line.startswith("#")]


def test_the_command_and_its_file(world, tmp_path, capsys):
    wavs = list(recordings(world, "anna").values())
    file, listen = tmp_path / "new" / "anna.npz", ["--endpoint=false", "--speaker-file"]
    heard(capsys)
    asrkit("recognize", world / "chmm", *wavs, "--endpoint=false", "--same-speaker=true")
    once = heard(capsys)
    asrkit("recognize", world / "chmm", *wavs[:4], *listen, file)
    asrkit("recognize", world / "chmm", *wavs[4:], *listen, file)
    assert heard(capsys) == once
    asrkit("recognize", world / "chmm", *wavs, *listen, tmp_path / "once.npz")
    assert file.read_bytes() == (tmp_path / "once.npz").read_bytes()
    asrkit("recognize", world / "chmm", *wavs, "--endpoint=false")
    alone = heard(capsys)[len(once) :]
    assert alone[0] == once[0] and all(one != other for one, other in zip(alone[1:], once[1:], strict=True))
    soundfile.write(tmp_path / "silence.wav", np.zeros(4000), RATE_HZ)
    asrkit("recognize", world / "chmm", tmp_path / "silence.wav", *listen, file, status=1)
    assert file.read_bytes() == (tmp_path / "once.npz").read_bytes()
    heard(capsys)
    asrkit("info", file)
    frames = sum(len(x) for _, x in read_scp(table(world, "anna"), base=world / "data"))
    assert capsys.readouterr().out.splitlines()[:2] == [
        f"speaker {file}",
        f"recordings heard: 6, {frames} frames",
    ]


def table(world, speaker):
    return {utt: read_data_dir(world / "data").feats[utt] for utt in recordings(world, speaker)}


def test_files_of_others(world, tmp_path, capsys):
    wav, file = next(iter(recordings(world, "anna").values())), tmp_path / "anna.npz"
    asrkit("recognize", world / "chmm", wav, "--speaker-file", file)
    asrkit("recognize", world / "other", wav, "--speaker-file", file, status=1)
    kind = f"{file}: heard in features of another kind than the model's: num_ceps is 13, the model's is 10 (begin with a new one)"
    assert kind in capsys.readouterr().err
    for options in (["--speaker-file", file], ["--same-speaker=true"]):
        asrkit("recognize", world / "plain", wav, *options, status=1)
        err = capsys.readouterr().err
        assert (
            f"{world}/plain: the model remembers nothing of a speaker: it was trained with cmvn=none" in err
        )
    for other, reason in (
        (world / "chmm" / "final.npz", "holds a model, not a speaker"),
        (wav, "not an asrkit"),
    ):
        before = Path(other).read_bytes()
        asrkit("recognize", world / "chmm", wav, "--speaker-file", other, status=1)
        assert f"{other}: {reason}" in capsys.readouterr().err and Path(other).read_bytes() == before
    model, other = package.load(world / "chmm"), package.load(world / "other")
    with pytest.raises(DataError, match="speaker: heard in features of another kind"):
        model.recognize(wav, speaker=other.speaker())
    with pytest.raises(DataError, match=r"speaker is .* \(str\), it should be one"):
        model.recognize(wav, speaker=str(file))
    with pytest.raises(DataError, match="nowhere.npz: no such file"):
        model.speaker(tmp_path / "nowhere.npz")


@pytest.mark.parametrize(
    "damage",
    [
        np.zeros((2, 3)),
        np.stack([np.zeros(14), -np.ones(14)]),
        np.full((2, 14), -1.0),
        np.full((2, 14), np.nan),
    ],
)
def test_a_damaged_file(world, tmp_path, damage):
    model, path = package.load(world / "chmm"), tmp_path / "anna.npz"
    model.speaker().save(path)
    with np.load(path) as archive:
        np.savez(path, meta=archive["meta"], stats=damage)
    with pytest.raises(DataError, match="its content does not fit this asrkit"):
        model.speaker(path)


def test_crossval_decodes_with_the_same_memory(world, tmp_path):
    outs = {}
    for memory in ("speaker", "none"):
        options = [*CHMM, "--cmvn=map", "--folds=3", "--max-iters=3", f"--cmvn-memory={memory}"]
        asrkit("crossval", world / "train", tmp_path / memory, *options)
        outs[memory] = scores(tmp_path / memory)
    for fold in (tmp_path / "speaker").glob("fold_*"):
        asrkit("decode", fold, fold / "test", tmp_path / "again")
        for utt, row in scores(tmp_path / "again").items():
            np.testing.assert_array_equal(row, outs["speaker"][utt])
    assert (
        sum(not np.allclose(outs["none"][utt], row) for utt, row in outs["speaker"].items())
        == len(outs["none"]) - 3
    )


@pytest.mark.parametrize("memory", ["none", "speaker", "both"])
def test_parts_of_a_training_add_up(world, tmp_path, memory):
    """Each part with whole speakers: the model brings prior and memory."""
    options = [*CHMM[:3], "--max-iters=2", "--warps=1.1", "--cmvn=map", f"--train-memory={memory}"]
    asrkit("init-model", world / "train", tmp_path, *options)
    start = package.load(tmp_path / "0.npz").vocabulary
    copies = WarpConfig("1.1", memory)
    seen = read_features(
        world / "train", frontend=start.frontend, warps=copies.factors, memories=copies.memories
    )
    store = Store(seen, tmp_path)
    assert len(store.utts) == (68 if memory == "both" else 34)
    asrkit("acc-stats", tmp_path / "0.npz", world / "train", tmp_path / "whole.npz")
    for part, which in (("a", []), ("b", ["--exclude=true"])):
        asrkit("subset-data", world / "train", tmp_path / part, "--utt-regex", ".*bert", *which)
        asrkit("acc-stats", tmp_path / "0.npz", tmp_path / part, tmp_path / f"{part}.npz")
    asrkit("sum-accs", tmp_path / "sum.npz", tmp_path / "a.npz", tmp_path / "b.npz")
    whole, added = (read_stats(tmp_path / f"{name}.npz")[0] for name in ("whole", "sum"))
    for word, model in start.models.items():
        own = store.read([utt for utt in store.utts if store.words[utt] == word])
        for name, array in model.accumulate(own).to_arrays().items():
            np.testing.assert_allclose(whole[word][name], array, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(added[word][name], array, rtol=1e-5, atol=1e-4)
    asrkit("train", world / "train", tmp_path / "exp", *options)
    trained = package.load(tmp_path / "exp").vocabulary
    assert trained.config["train_memory"] == memory and trained.frontend == start.frontend
    assert trained.data_hash == start.data_hash == store.data_hash


def test_a_codebook_of_other_recordings(world, tmp_path, capsys):
    options = ["--cmvn=map", "--warps="]
    asrkit("subset-data", world / "train", tmp_path / "some", "--utt-regex", ".*anna")
    asrkit("train-codebook", tmp_path / "some", tmp_path / "exp", "--codebook-size=4", *options)
    dhmm = ["--family=dhmm", "--num-states=2", "--max-iters=2", *options]
    asrkit("train", tmp_path / "some", tmp_path / "exp", *dhmm)
    asrkit("quantize", tmp_path / "exp", world / "train", tmp_path / "codes")
    asrkit("train", world / "train", tmp_path / "exp", *dhmm, status=1)
    assert (
        "made of features normalised by the mean and variance of other recordings" in capsys.readouterr().err
    )


def test_features_of_a_model_need_no_training(world):
    own = package.load(world / "chmm").frontend
    assert own.prior == package.load(world / "chmm" / "final.npz").frontend.prior
    features = read_features(world / "data", frontend=own)
    assert features.frontend is own
