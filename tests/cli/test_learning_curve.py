"""The learning curve: what is drawn, that `all` is plain training, that nothing is trained twice."""

import pytest
from command import asrkit
from synthetic import write_words

from asrkit.evaluation.significance import wilson_interval
from asrkit.io.files import read_table

SETTINGS = ["--family", "gmm", "--num-gauss", "2", "--max-iters", "4"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """train: three words by two speakers three times; test: a third speaker."""
    top = tmp_path_factory.mktemp("world")
    write_words(
        top / "wavs", "{word}_{speaker}_{take}.wav", speakers=("anna", "bert", "carl"), takes=range(3)
    )
    asrkit("prepare-wavs", top / "wavs", top / "all", "--pattern", "{word}_{speaker}_{index}")
    asrkit("compute-mfcc", top / "all", "--sample-frequency=8000", "--use-energy=false")
    asrkit("subset-data", top / "all", top / "test", "--utt-regex=carl")
    asrkit("subset-data", top / "all", top / "train", "--utt-regex=carl", "--exclude", "true")
    return top


def rows(exp):
    lines = [line.split("\t") for line in (exp / "learning-curve.tsv").read_text().splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def test_all_is_plain_training_and_counts_are_kept(world, tmp_path, capsys):
    exp = tmp_path / "curve"
    asrkit(
        "learning-curve",
        world / "train",
        world / "test",
        exp,
        "--counts",
        "all,1,4",
        "--draws",
        "2",
        *SETTINGS,
    )
    table = capsys.readouterr().out.splitlines()
    asrkit("train", world / "train", tmp_path / "plain", *SETTINGS)
    asrkit("decode", tmp_path / "plain", world / "test", tmp_path / "plain" / "decode")
    assert (exp / "count_all" / "final.npz").read_bytes() == (tmp_path / "plain" / "final.npz").read_bytes()
    for name in ("scores.ark", "hyp"):
        assert (exp / "count_all" / "decode_test" / name).read_bytes() == (
            tmp_path / "plain" / "decode" / name
        ).read_bytes()
    found = rows(exp)
    assert [(row["count"], row["draw"], row["utts"]) for row in found] == [
        ("1", "1", "3"),
        ("1", "2", "3"),
        ("4", "1", "12"),
        ("4", "2", "12"),
        ("all", "-", "18"),
    ]
    hyp, text = read_table(exp / "count_all" / "decode_test" / "hyp"), read_table(world / "test" / "text")
    errors = sum(hyp[utt] != word for utt, word in text.items())
    low, high = wilson_interval(errors, 9)
    assert [found[-1][name] for name in ("errors", "words", "wer", "low", "high")] == [
        str(errors),
        "9",
        f"{errors / 9:.6f}",
        f"{low:.6f}",
        f"{high:.6f}",
    ]
    assert [line.split()[0] for line in table] == ["a", "1", "4", "all"] and (
        exp / "learning-curve.png"
    ).stat().st_size > 10000


def test_draws_are_spread_and_within_one_another(world, tmp_path):
    asrkit(
        "learning-curve",
        world / "train",
        world / "test",
        tmp_path,
        "--counts",
        "1,2,4",
        "--draws",
        "2",
        *SETTINGS,
    )
    for draw in (1, 2):
        one, two, four = (
            {*read_table(tmp_path / f"count_{n}" / f"draw_{draw}" / "train" / "text")} for n in (1, 2, 4)
        )
        assert one < two < four
        for word in ("one", "two", "three"):
            assert {utt[:-2] for utt in two if f"-{word}-" in utt} == {f"anna-{word}", f"bert-{word}"}
    assert (
        len({(tmp_path / "count_4" / f"draw_{draw}" / "train" / "text").read_bytes() for draw in (1, 2)}) == 2
    )


@pytest.mark.bytes
def test_nothing_is_trained_twice_and_jobs_change_nothing(world, tmp_path, capsys):
    run = [
        "learning-curve",
        world / "train",
        world / "test",
        tmp_path / "a",
        "--counts",
        "1,2,all",
        "--draws",
        "2",
        *SETTINGS,
    ]
    asrkit(*run)
    models = sorted((tmp_path / "a").rglob("final.npz"))
    before = [path.stat().st_mtime_ns for path in models]
    results = [(tmp_path / "a" / f"learning-curve.{kind}").read_bytes() for kind in ("tsv", "png")]
    capsys.readouterr()
    asrkit(*run)
    assert [path.stat().st_mtime_ns for path in models] == before and capsys.readouterr().err.count(
        ": kept"
    ) == 5
    models[0].unlink()
    asrkit(*run)
    assert [path.stat().st_mtime_ns for path in models][1:] == before[1:]
    run[3] = tmp_path / "b"
    asrkit(*run, "--nj", "2")
    assert [(tmp_path / "b" / f"learning-curve.{kind}").read_bytes() for kind in ("tsv", "png")] == results


def test_counts_beyond_what_there_is(world, tmp_path, capsys):
    asrkit(
        "learning-curve",
        world / "train",
        world / "test",
        tmp_path,
        "--counts",
        "1,6,7",
        "--draws",
        "1",
        *SETTINGS,
    )
    assert (
        "--counts 6: left out, no word has more than 6" in capsys.readouterr().err
        and len(rows(tmp_path)) == 1
    )
    for counts, message in (
        ("0,1", "'0' is neither"),
        ("few", "'few' is neither"),
        ("", "'' is neither"),
        ("9", "nothing is left"),
    ):
        with pytest.raises(SystemExit, match="2"):
            asrkit("learning-curve", world / "train", world / "test", tmp_path, "--counts", counts, *SETTINGS)
        assert message in capsys.readouterr().err
