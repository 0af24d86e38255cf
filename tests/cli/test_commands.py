"""Training, decoding and recognition through the commands, on invented speech."""

import json
import shutil

import kaldiio
import numpy as np
import pytest
import soundfile
from command import MFCC, asrkit
from synthetic import RATE_HZ, WORDS, word_samples, write_words

from asrkit.errors import DataError
from asrkit.families import load
from asrkit.io.archive import read_matrix
from asrkit.io.files import read_table, write_table
from asrkit.io.model_file import read_model
from asrkit.workflows.info import info
from asrkit.workflows.report import report

SMALL = {
    "gmm": ["--num-gauss", "4", "--num-starts", "1"],
    "dhmm": ["--num-states", "5"],
    "chmm": ["--num-states", "5", "--num-gauss", "2"],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """data/train, data/test and one trained model a family."""
    top = tmp_path_factory.mktemp("world")
    write_words(top / "wavs", "{word}_{speaker}_{take}.wav", pad_s=0.3)
    asrkit("prepare-wavs", top / "wavs", top / "all", "--pattern", "{word}_{speaker}_{index}")
    asrkit("subset-data", top / "all", top / "test", "--utt-regex=-[01]$")
    asrkit("subset-data", top / "all", top / "train", "--utt-regex=-[01]$", "--exclude", "true")
    for part in ("train", "test"):
        asrkit("detect-endpoints", top / part)
        asrkit("compute-mfcc", top / part, *MFCC)
    asrkit("train-codebook", top / "train", top / "dhmm", "--codebook-size", "16")
    for family, options in SMALL.items():
        asrkit("train", top / "train", top / family, "--family", family, *options)
    return top


@pytest.mark.parametrize("family", SMALL)
def test_decode_and_score(world, family, capsys):
    out = world / family / "decode_test"
    asrkit("decode", world / family, world / "test", out)
    assert "decoded 12, skipped 0" in capsys.readouterr().out
    hyp, truth = read_table(out / "hyp"), read_table(world / "test" / "text")
    assert sum(hyp[utt] != word for utt, word in truth.items()) <= 1
    words = list(read_table(out / "words.txt"))
    for utt, spec in read_table(out / "scores.scp").items():
        scores = read_matrix(spec)
        assert scores.dtype == np.float64 and scores.shape == (3,) and words[scores.argmax()] == hyp[utt]
    asrkit("score", world / "test", out)
    assert capsys.readouterr().out.startswith("%WER ")
    assert len(list(out.glob("wer_*"))) == 1


@pytest.mark.parametrize("family", SMALL)
def test_training_log_never_falls_and_says_how_it_ended(world, family):
    lines = [json.loads(line) for line in (world / family / "train.jsonl").read_text().splitlines()]
    for word in ("one", "two", "three"):
        own = [line for line in lines if line["word"] == word]
        objective = np.array([line["objective"] for line in own])
        # the last is of the finished model: what the words share, or near symbols do, is paid for with likelihood
        assert len(own) > 2 and np.diff(objective[:-1]).min() >= -1e-9 * abs(objective[0])
        assert objective[-1] < objective[-2] and own[-1]["phase"] == own[-2]["phase"] + 1
        # each recording and its two warped copies
        assert own[-1]["ending"] == "converged" and own[-1]["utts"] == 3 * 8
        assert [line["iteration"] for line in own] == list(range(len(own)))


@pytest.mark.parametrize("family", SMALL)
@pytest.mark.bytes
def test_same_seed_same_bytes_for_any_number_of_jobs(world, family, tmp_path):
    if family == "dhmm":
        asrkit("train-codebook", world / "train", tmp_path / "again", "--codebook-size", "16")
        assert (tmp_path / "again" / "codebook.npz").read_bytes() == (
            world / "dhmm" / "codebook.npz"
        ).read_bytes()
    asrkit("train", world / "train", tmp_path / "again", "--family", family, "--nj", "2", *SMALL[family])
    for name in ("final.npz", "train.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (world / family / name).read_bytes()


@pytest.mark.parametrize("family", SMALL)
def test_cluster_steps_are_the_same_training(world, family, tmp_path):
    """init-model, acc-stats on two halves, sum-accs, est-model: what one iteration of train does."""
    exp = tmp_path / family
    exp.mkdir()
    if family == "dhmm":
        (exp / "codebook.npz").write_bytes((world / "dhmm" / "codebook.npz").read_bytes())
    asrkit("init-model", world / "train", exp, "--family", family, *SMALL[family])
    asrkit("split-data", world / "train", "2")
    model = exp / "0.npz"
    log = [json.loads(line) for line in (world / family / "train.jsonl").read_text().splitlines()]
    for iteration in range(3):
        for part in (1, 2):
            asrkit(
                "acc-stats", model, world / "train" / "split2" / str(part), exp / f"{iteration}.{part}.acc"
            )
        asrkit("sum-accs", exp / f"{iteration}.acc", exp / f"{iteration}.1.acc", exp / f"{iteration}.2.acc")
        with np.load(exp / f"{iteration}.acc", allow_pickle=False) as sums:
            for word in ("one", "two", "three"):
                expected = [line["objective"] for line in log if line["word"] == word and line["phase"] == 0][
                    iteration:
                ][:1]
                assert not expected or sums[f"{word}/log_like"] == pytest.approx(expected[0], rel=1e-6)
        asrkit("est-model", model, exp / f"{iteration}.acc", exp / f"{iteration + 1}.npz")
        model = exp / f"{iteration + 1}.npz"
    if family == "chmm":
        asrkit("est-model", exp / "2.npz", exp / "2.acc", exp / "grown.npz", "--grow")
        assert read_model(exp / "grown.npz").models["one"].num_gauss == 10


def test_statistics_of_another_model_are_refused(world, tmp_path, capsys):
    asrkit("acc-stats", world / "chmm", world / "train", tmp_path / "a.acc")
    asrkit("est-model", world / "gmm", tmp_path / "a.acc", tmp_path / "b.npz", status=1)
    assert "made with another model" in capsys.readouterr().err and not (tmp_path / "b.npz").exists()
    asrkit("acc-stats", world / "gmm", world / "train", tmp_path / "c.acc")
    asrkit("sum-accs", tmp_path / "d.acc", tmp_path / "a.acc", tmp_path / "c.acc", status=1)
    assert "another model" in capsys.readouterr().err


@pytest.mark.parametrize("family", SMALL)
def test_recognize_finds_the_word_in_a_padded_recording(world, family, tmp_path, capsys):
    paths = []
    for word in ("one", "two", "three"):
        path = tmp_path / f"{word}.flac"
        soundfile.write(path, word_samples(word, np.random.default_rng(77), pad_s=0.4), RATE_HZ)
        paths.append(path)
    asrkit("recognize", world / family, *paths)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == [str(path) for path in paths]
    assert [line[1] for line in lines] == ["one", "two", "three"]
    assert all(np.isfinite(float(line[2])) and float(line[3]) > 0 for line in lines)


def test_recognize_resamples_and_takes_one_channel(world, tmp_path, capsys):
    import soxr

    sound = soxr.resample(word_samples("three", np.random.default_rng(5)), RATE_HZ, 22050)
    soundfile.write(tmp_path / "a.wav", np.column_stack([sound, np.zeros_like(sound)]), 22050)
    asrkit("recognize", world / "chmm", tmp_path / "a.wav")
    out, err = capsys.readouterr()
    assert out.split()[1] == "three" and "2 channels" in err
    asrkit("recognize", world / "chmm", tmp_path / "a.wav", "--strict", status=1)


def test_recognize_says_what_it_cannot_hear(world, tmp_path, capsys):
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), RATE_HZ)
    soundfile.write(tmp_path / "short.wav", word_samples("one", np.random.default_rng(1))[:300], RATE_HZ)
    soundfile.write(tmp_path / "good.wav", word_samples("one", np.random.default_rng(1)), RATE_HZ)
    (tmp_path / "text.wav").write_text("not sound")
    names = ["silent.wav", "missing.wav", "short.wav", "text.wav", "good.wav"]
    asrkit("recognize", world / "chmm", *[tmp_path / name for name in names], status=1)
    out, err = capsys.readouterr()
    assert [line.split()[1] for line in out.splitlines()] == ["-", "-", "-", "-", "one"]
    for name, reason in zip(names, ("silent", "cannot be read", "short", "not a recording")):
        assert any(name in line and reason in line for line in err.splitlines()), name


def test_align_gives_states_in_order_and_a_ctm(world, tmp_path):
    asrkit("align", world / "chmm", world / "test", tmp_path / "ali")
    frames = read_table(world / "test" / "utt2num_frames")
    for utt, spec in read_table(tmp_path / "ali" / "ali.scp").items():
        states = read_matrix(spec)
        assert states.dtype == np.int32 and len(states) == int(frames[utt])
        assert states[0] == 0 and states[-1] == 4 and set(np.diff(states)) <= {0, 1}
    for line in (tmp_path / "ali" / "ctm").read_text().splitlines():
        utt, channel, start, duration, word = line.split()
        assert (channel, start, duration) == ("1", "0.00", f"{int(frames[utt]) * 0.01:.2f}") and word in utt


def test_quantize_gives_codes_of_the_codebook(world, tmp_path):
    asrkit("quantize", world / "dhmm", world / "test", tmp_path)
    for _, codes in kaldiio.load_scp(str(tmp_path / "codes.scp")).items():
        assert codes.shape[1] == 3 and codes.min() >= 0 and codes.max() < 16


@pytest.mark.parametrize(
    "what",
    [
        "chmm",
        "chmm/final.npz",
        "dhmm/codebook.npz",
        "train",
        "train/feats.scp",
        "train/data/raw_mfcc_train.1.ark",
    ],
)
def test_info(world, what, capsys):
    asrkit("info", world / what)
    out = capsys.readouterr().out
    expected = {
        "chmm": "5 states, 10 Gaussians",
        "chmm/final.npz": "kaldi MFCC at 8000 Hz",
        "dhmm/codebook.npz": "vectors: 16 vectors in each of 3 streams",
        "train": "speakers: 2",
        "train/feats.scp": "entries: 24 (24 matrices of dimension 13; float32)",
        "train/data/raw_mfcc_train.1.ark": "entries: 24",
    }
    assert expected[what] in out


@pytest.mark.parametrize(
    "what, kind",
    [
        ("chmm", "exp folder"),
        ("dhmm/codebook.npz", "codebook"),
        ("gmm/final.npz", "model"),
        ("train", "data directory"),
        ("train/feats.scp", "archive"),
        ("wavs/one_anna_0.wav", "recording"),
    ],
)
def test_info_from_python(world, what, kind, capsys):
    found = info(world / what)
    assert (found.path, found.kind) == (world / what, kind) and str(world / what) in found.lines()[0]
    asrkit("info", world / what)
    assert capsys.readouterr().out.splitlines() == found.lines()


@pytest.fixture(scope="module")
def scored(world):
    """The same, with scored decodings in FAMILY/decode_report."""
    for family in SMALL:
        asrkit("decode", world / family, world / "test", world / family / "decode_report")
        asrkit("score", world / "test", world / family / "decode_report")
    return world


def test_report_has_the_table_and_the_pictures(scored, capsys):
    world, decodes = scored, [scored / family / "decode_report" for family in SMALL]
    capsys.readouterr()
    asrkit("report", world / "report", world / "test", *decodes, "--title", "invented words")
    table = capsys.readouterr().out
    assert (world / "report" / "table.txt").read_text() == table and table.startswith(
        "invented words\nsystem "
    )
    for family in SMALL:
        (line,) = (line for line in table.splitlines() if line.startswith(f"{family} "))
        assert float(line.split()[3]) + float(line.split()[4]) == pytest.approx(100)  # WER % and accuracy %
        for picture in ("confusion", "training"):
            assert (world / "report" / f"{picture}_{family}.png").read_bytes().startswith(b"\x89PNG")
    assert (world / "report" / "alignment.png").stat().st_size > 20000
    for name in ("alignment.png", "confusion_gmm.png"):
        assert f"({name})" in (world / "report" / "report.md").read_text()


def test_report_from_python_is_that_of_the_command(scored, tmp_path, capsys):
    capsys.readouterr()
    decodes = [scored / family / "decode_report" for family in ("gmm", "chmm")]
    reported = report(tmp_path / "python", scored / "test", decodes, title="invented")
    asrkit("report", tmp_path / "command", scored / "test", *decodes, "--title=invented")
    assert capsys.readouterr().out.splitlines() == reported.lines()
    names = sorted(path.name for path in (tmp_path / "command").iterdir())
    assert names == sorted([*reported.pictures, "table.txt", "report.md"])
    for name in names:
        assert (tmp_path / "python" / name).read_bytes() == (tmp_path / "command" / name).read_bytes()
    assert reported.pictures["alignment.png"].startswith("chmm: the best state sequence of ")
    with pytest.raises(DataError, match="no features of utt=nobody"):
        report(tmp_path / "python", scored / "test", decodes, utt="nobody")


def test_report_of_what_has_no_states_and_no_training_curves(scored, tmp_path, monkeypatch, caplog):
    """Families differ in what they can show: what there is not is left out."""
    shutil.copytree(scored / "chmm", tmp_path / "chmm")
    decode, log = tmp_path / "chmm" / "decode_report", tmp_path / "chmm" / "train.jsonl"
    assert set(report(tmp_path / "all", scored / "test", [decode]).pictures) == {
        "confusion_chmm.png",
        "training_chmm.png",
        "alignment.png",
    }
    last = {(entry := json.loads(line))["word"]: entry for line in log.read_text().splitlines()}
    log.write_text("".join(json.dumps(entry) + "\n" for entry in last.values()))  # one line a word
    assert "training_chmm.png" not in report(tmp_path / "all", scored / "test", [decode]).pictures
    for capability in ("can_align", "has_states"):
        with monkeypatch.context() as patch:
            patch.setattr(type(load("chmm")), capability, False)
            pictures = report(tmp_path / capability, scored / "test", [decode], utt="bert-one-0").pictures
        assert set(pictures) == {"confusion_chmm.png"}
        assert "utt=bert-one-0: no alignment is drawn" in caplog.text
        caplog.clear()
        assert not (tmp_path / capability / "alignment.png").exists()


def test_report_refuses_broken_facts(scored, tmp_path, capsys):
    shutil.copytree(scored / "gmm", tmp_path / "gmm")
    decode = tmp_path / "gmm" / "decode_report"
    for path, text, message in (
        (decode / "report.json", "[]", ' nothing under "errors" (asrkit score makes it anew)'),
        (decode / "decode.json", "{}", ' nothing under "seconds" (asrkit decode makes it anew)'),
        (decode / "decode.json", '{"seconds": "1"}', ' what stands under "seconds" is not what should'),
        (decode / "decode.json", '{"seconds": NaN}', " no JSON: 'NaN' is not a finite number"),
        (tmp_path / "gmm" / "train.json", "{", " no JSON"),
        (
            tmp_path / "gmm" / "train.jsonl",
            '{"word": "one"}\n{"word": "one"}\n',
            '1: nothing under "iteration"',
        ),
    ):
        whole = path.read_text()
        path.write_text(text)
        asrkit("report", tmp_path / "out", scored / "test", decode, status=1)
        err = capsys.readouterr().err
        assert f"{path}:{message}" in err and "Traceback" not in err
        path.write_text(whole)


def test_report_counts_the_errors_by_noise_and_ratio(world, tmp_path, capsys):
    data, decode, out = tmp_path / "noisy", tmp_path / "gmm" / "decode", tmp_path / "report"
    asrkit(
        "perturb",
        world / "test",
        data,
        "--noise=white,babble,none",
        "--babble-dir",
        world / "train",
        "--snr=-5,20",
        "--grid",
        "true",
    )
    asrkit("compute-mfcc", data, *MFCC)
    shutil.copytree(world / "gmm", tmp_path / "gmm", ignore=shutil.ignore_patterns("decode*"))
    asrkit("decode", world / "gmm", data, decode)
    hyps = read_table(decode / "hyp")
    for utt in list(hyps)[::7]:
        del hyps[utt]  # missing: an error, whatever was heard
    write_table(decode / "hyp", hyps)
    facts = json.loads((decode / "decode.json").read_text())
    asrkit("score", data, decode, status=1)
    assert "take decoded, skipped and hyp_sha256 out of decode.json" in capsys.readouterr().err
    del facts["decoded"], facts["hyp_sha256"]
    (decode / "decode.json").write_text(json.dumps(facts))
    asrkit("score", data, decode)
    record = (data / "perturb.tsv").read_text()
    (data / "perturb.tsv").unlink()
    asrkit("report", out, data, decode)
    plain = (out / "table.txt").read_text()
    assert len(plain.splitlines()) == 2
    (data / "perturb.tsv").write_text("utt\tnoise\tsnr\nanother\tnone\t\n")  # no SNR: as without it
    asrkit("report", out, data, decode)
    assert (out / "table.txt").read_text() == plain and not (out / "noise.png").exists()

    (data / "perturb.tsv").write_text(record)
    capsys.readouterr()
    asrkit("report", out, data, decode)
    table = (out / "table.txt").read_text()
    assert (
        table == capsys.readouterr().out
        and table.startswith(plain + "\n")
        and table in (out / "report.md").read_text()
    )
    wrong, truth = {}, read_table(data / "text")
    for utt, _, noise, snr, *_ in (line.split("\t") for line in record.splitlines()[1:]):
        wrong.setdefault((noise, snr), []).append(hyps.get(utt) != truth[utt])
    assert {len(cell) for cell in wrong.values()} == {12}
    head, columns, *rows = table[len(plain) + 1 :].splitlines()
    assert "errors of 12 words" in head and columns.split() == [
        "system",
        "noise",
        "clean",
        "20",
        "dB",
        "-5",
        "dB",
    ]
    for row, noise in zip(rows, ("babble", "white"), strict=True):
        errors = [sum(wrong[cell]) for cell in (("none", ""), (noise, "20"), (noise, "-5"))]
        cells = [part for count in errors for part in (f"{100 * count / 12:.2f}", f"({count})")]
        assert row.split() == ["gmm", noise, *cells]
    assert (out / "noise.png").read_bytes().startswith(b"\x89PNG") and "(noise.png)" in (
        out / "report.md"
    ).read_text()

    write_table(decode / "hyp", dict.fromkeys(hyps, "one"))
    asrkit("report", out, data, decode, status=1)
    assert f"(asrkit score {data} {decode} counts anew)" in capsys.readouterr().err
    (data / "perturb.tsv").write_text(record[: record.rstrip().rindex("\n") + 1])
    asrkit("report", out, data, decode, status=1)
    err = capsys.readouterr().err
    assert (
        f"{data}/perturb.tsv: utterance '{max(truth)}' of {data}/text is not in it, 1 of 60" in err
        and "asrkit perturb makes" in err
    )
    (data / "perturb.tsv").write_text(record.replace("\t20\t", "\tnan\t", 1))
    asrkit("report", out, data, decode, status=1)
    assert "does not tell utt, noise and snr" in capsys.readouterr().err


@pytest.mark.bytes
def test_forward_score_is_at_least_the_best_path(world, tmp_path):
    asrkit("decode", world / "chmm", world / "test", tmp_path / "v")
    asrkit("decode", world / "chmm", world / "test", tmp_path / "f", "--method", "forward", "--nj", "2")
    for utt, spec in read_table(tmp_path / "v" / "scores.scp").items():
        forward = read_matrix(read_table(tmp_path / "f" / "scores.scp")[utt])
        assert (forward >= read_matrix(spec) - 1e-6).all()


def test_words_are_what_is_written_not_ascii_digits(tmp_path):
    """A vocabulary of any language, with signs that files and archives could stumble over."""
    names = dict(zip(WORDS, ("früh", "два", "a/b", "x=y")))
    for word, name in names.items():
        write_words(tmp_path / "wavs", word + "_{speaker}_{take}.wav", words=(word,), takes=range(4))
    asrkit("prepare-wavs", tmp_path / "wavs", tmp_path / "data", "--pattern", "{word}_{speaker}_{index}")
    text = read_table(tmp_path / "data" / "text")
    (tmp_path / "data" / "text").write_text(
        "".join(f"{utt} {names[word]}\n" for utt, word in text.items()), encoding="utf-8"
    )
    asrkit("compute-mfcc", tmp_path / "data", *MFCC)
    asrkit("train", tmp_path / "data", tmp_path / "exp", "--family", "chmm", *SMALL["chmm"])
    asrkit("decode", tmp_path / "exp", tmp_path / "data", tmp_path / "exp" / "decode")
    assert set(read_table(tmp_path / "exp" / "decode" / "hyp").values()) == set(names.values())
