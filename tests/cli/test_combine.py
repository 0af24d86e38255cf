"""Fusion of systems: the weights are the best ones, the command adds what it says."""

import json

import numpy as np
import pytest
from command import asrkit

from asrkit.cli import main as cli
from asrkit.errors import DataError, SettingsError
from asrkit.io.archive import read_scp
from asrkit.io.files import read_table, write_table
from asrkit.words.fusion import fuse, learn_weights
from asrkit.workflows.combine import combine
from asrkit.workflows.decode import write_decoding


def invented(num_utts=400, num_words=5, scales=(3.0, 0.5), noises=(1.0, 1.0), seed=0):
    """Log-likelihoods (K, U, W) of systems of several scales and noises, and what was said."""
    rng = np.random.default_rng(seed)
    said = rng.integers(num_words, size=num_utts)
    truth = 2.0 * np.eye(num_words)[said]
    scores = [
        scale * (truth + noise * rng.standard_normal(truth.shape))
        for scale, noise in zip(scales, noises, strict=True)
    ]
    return np.stack(scores) - 1000.0, said


def loss(weights, scores, said):
    """Mean negative log of the softmax at what was said, one utterance after another."""
    total = 0.0
    for u, word in enumerate(said):
        fused = sum(w * s[u] for w, s in zip(weights, scores, strict=True))
        total += np.log(np.exp(fused - fused[word]).sum())
    return total / len(said)


def assert_best(weights, scores, said):
    """The loss does not change to first order, wherever a weight is moved by a thousandth."""
    for i in range(len(weights)):
        low, high = (
            loss(np.where(np.arange(len(weights)) == i, factor * weights, weights), scores, said)
            for factor in (0.999, 1.001)
        )
        assert abs(high - low) / 0.002 < 1e-3


def test_no_other_weights_are_better():
    scores, said = invented()
    weights = learn_weights(scores, said)
    assert_best(weights, scores, said)
    best = loss(weights, scores, said)
    for i in range(2):
        for factor in (0.5, 0.9, 1.1, 2.0):
            other = weights.copy()
            other[i] *= factor
            assert loss(other, scores, said) > best - 1e-5
            assert factor in (0.9, 1.1) or loss(other, scores, said) > best + 1e-3
    assert weights[1] / weights[0] == pytest.approx(6.0, rel=0.2)  # both are equally good, on other scales


def test_weights_make_log_posteriors():
    """What is drawn from the softmax of the scores over 4 gets the weight a quarter."""
    rng = np.random.default_rng(1)
    scores = 8.0 * rng.standard_normal((1, 4000, 4))
    said = np.array([rng.choice(4, p=np.exp(row) / np.exp(row).sum()) for row in scores[0] / 4.0])
    assert learn_weights(scores, said) == pytest.approx([0.25], rel=0.05)


def test_a_system_that_guesses_gets_nothing():
    rng = np.random.default_rng(2)
    scores, said = invented()
    scores[1] = rng.standard_normal(scores[1].shape)
    weights = learn_weights(scores, said)
    assert 0 <= weights[1] < 0.15 * weights[0]
    scores[1] = -scores[0]  # always wrong: no weight is negative
    assert learn_weights(scores, said)[1] == 0


def test_without_any_error_the_weights_are_finite():
    scores, said = invented(noises=(0.01, 0.01))
    assert np.isfinite(learn_weights(scores, said)).all()


def test_what_is_impossible_teaches_nothing():
    scores, said = invented()
    weights = learn_weights(scores, said)
    held = scores.copy()
    held[0, :50, :] = -np.inf  # no path at all
    np.testing.assert_allclose(learn_weights(held, said), learn_weights(scores[:, 50:], said[50:]), rtol=1e-6)
    held = scores.copy()
    others = (said + 1) % 5
    held[1, np.arange(400), others] = -np.inf  # one competitor is out of the game
    assert_best(learn_weights(held, said), held, said)
    assert abs(learn_weights(held, said) / weights - 1).max() > 0.01
    with pytest.raises(DataError, match="no utterance"):
        learn_weights(np.full((2, 3, 4), -np.inf), np.zeros(3, dtype=int))


def test_fuse():
    scores = np.array([[[1.0, -np.inf]], [[2.0, 5.0]]])
    np.testing.assert_array_equal(fuse(scores, [1.0, 0.5]), [[2.0, -np.inf]])
    np.testing.assert_array_equal(fuse(scores, [0.0, 2.0]), [[4.0, 10.0]])


def decoding(folder, words, rows, skipped=()):
    """A decode folder with the scores `rows`: dict of utterance to a list in the order of `words`."""
    hyps = {utt: words[int(np.argmax(row))] for utt, row in rows.items()}
    facts = {"family": "chmm", "words": words, "method": "viterbi", "frames": 1, "seconds": 0.0}
    write_decoding(
        folder,
        hyps,
        ((utt, np.array(row, dtype=np.float64)) for utt, row in rows.items()),
        dict(skipped),
        facts,
    )
    return folder


def test_words_and_utterances_of_one_alone(tmp_path, capsys):
    """Words are matched by name; what not all have decoded is skipped and said."""
    a = decoding(tmp_path / "a", ["one", "two"], {"u1": [-5, -6], "u2": [-9, -2], "u3": [-1, -2]})
    b = decoding(tmp_path / "b", ["two", "zwei"], {"u1": [-1, -9], "u2": [-4, -1]}, {"u3": "too short"})
    asrkit("combine", tmp_path / "out", a, b, "--weights", "1,2")
    assert "combined 2, skipped 1" in capsys.readouterr().out
    assert read_table(tmp_path / "out" / "hyp") == {"u1": "two", "u2": "two"}
    assert read_table(tmp_path / "out" / "skipped") == {"u3": "too short"}
    assert list(read_table(tmp_path / "out" / "words.txt")) == ["one", "two", "zwei"]
    scores = dict(read_scp(read_table(tmp_path / "out" / "scores.scp")))
    np.testing.assert_array_equal(scores["u1"], [-np.inf, -8.0, -np.inf])


def test_combine_from_python(tmp_path, capsys):
    a = decoding(tmp_path / "a", ["one", "two"], {"u1": [-5, -6], "u2": [-9, -2], "u3": [-1, -2]})
    b = decoding(tmp_path / "b", ["two", "zwei"], {"u1": [-1, -9], "u2": [-4, -1]}, {"u3": "too short"})
    combined = combine(tmp_path / "python", [a, b], weights=(1, 2))
    assert (combined.decode_dirs, combined.weights) == ((a, b), (1.0, 2.0))
    assert combined.hypotheses == {"u1": "two", "u2": "two"} and combined.skipped == {"u3": "too short"}
    asrkit("combine", tmp_path / "command", a, b, "--weights", "1,2")
    assert capsys.readouterr().out.splitlines() == combined.lines()
    for name in ("hyp", "skipped", "words.txt", "decode.json", "combine.json", "scores.ark"):
        assert (tmp_path / "python" / name).read_bytes() == (tmp_path / "command" / name).read_bytes()
    assert combine(tmp_path / "equal", [a, b]).weights == (1.0, 1.0)
    for settings, message in (
        ({"weights": [1]}, "weights=1: 2 numbers are needed"),
        ({"weights": ["a", "b"]}, "weights=a,b are not numbers"),
        ({"weights": [1, 1], "learn": a, "held_out": [a, b]}, f"weights=1,1 or learn={a}, not both"),
        ({"learn": a}, f"learn={a} without held_out"),
        ({"held_out": [a, b]}, f"held_out={a},{b} without learn"),
        ({"learn": a, "held_out": [a]}, f"held_out={a}: 1 folders for 2 systems"),
    ):
        with pytest.raises(SettingsError, match=message):
            combine(tmp_path / "none", [a, b], **settings)
    with pytest.raises(SettingsError, match="at least two"):
        combine(tmp_path / "none", [a])
    assert not (tmp_path / "none").exists()


def test_weights_are_learned_from_held_out_decodings(tmp_path, capsys):
    """A good system and one of noise: the fused decoding is as good as the good one alone, where the plain
    sum is worse.
    """
    names, words = {}, ["a", "b", "c"]
    for part, seed in (("train", 3), ("test", 4)):
        scores, said = invented(300, 3, scales=(1.0, 20.0), noises=(0.5, 5.0), seed=seed)
        utts = [f"u{i:03d}" for i in range(300)]
        (tmp_path / part).mkdir()
        write_table(
            tmp_path / part / "text", {utt: words[word] for utt, word in zip(utts, said, strict=True)}
        )
        write_table(tmp_path / part / "utt2spk", {utt: utt for utt in utts})
        for name, own in zip(("good", "bad"), scores, strict=True):
            names[part, name] = decoding(
                tmp_path / f"{part}_{name}", words, dict(zip(utts, own.tolist(), strict=True))
            )
    systems = [names["test", "good"], names["test", "bad"]]
    asrkit("combine", tmp_path / "sum", *systems)
    held = f"{names['train', 'good']},{names['train', 'bad']}"
    asrkit("combine", tmp_path / "learned", *systems, "--learn", tmp_path / "train", "--held-out", held)
    wrong = {}
    for out in (tmp_path / "sum", tmp_path / "learned", systems[0]):
        asrkit("score", tmp_path / "test", out)
        wrong[out.name] = json.loads((out / "report.json").read_text())["errors"]
    assert wrong["learned"] <= wrong["test_good"] + 2 < wrong["sum"] - 20
    weights = json.loads((tmp_path / "learned" / "combine.json").read_text())["weights"]
    assert weights[str(systems[0])] > 10 * weights[str(systems[1])]
    asrkit("compare", tmp_path / "test", tmp_path / "sum", tmp_path / "learned")
    assert "B is better" in capsys.readouterr().out


@pytest.mark.parametrize("options, message", [
    (["--weights", "1"], "2 numbers"), (["--weights", "1,x"], "not numbers"), (["--weights", "0,0"], "not all 0"), (["--weights=-1,1"], "below 0"),
    (["--learn", "D"], "go together"), (["--held-out", "x,y"], "go together"), (["--learn", "D", "--held-out", "x,y", "--weights", "1,1"], "not both"),
])  # fmt: skip
def test_wrong_usage(tmp_path, capsys, options, message):
    a = decoding(tmp_path / "a", ["one", "two"], {"u1": [-5, -6]})
    with pytest.raises(SystemExit) as stopped:
        cli.main(["combine", str(tmp_path / "out"), str(a), str(a), *options])
    assert stopped.value.code == 2 and message in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_what_cannot_be_combined(tmp_path, capsys):
    a = decoding(tmp_path / "a", ["one", "two"], {"u1": [-5, -6]})
    b = decoding(tmp_path / "b", ["one", "two"], {"u2": [-5, -6]})
    asrkit("combine", tmp_path / "out", a, b, status=1)
    assert "no utterance in common" in capsys.readouterr().err
    asrkit("combine", tmp_path / "out", a, tmp_path / "none", status=1)
    assert "no scores.scp" in capsys.readouterr().err
    write_table(tmp_path / "text", {"u1": "three"})
    asrkit("combine", tmp_path / "out", a, a, "--learn", tmp_path, "--held-out", f"{a},{a}", status=1)
    assert "none of the 1 utterances" in capsys.readouterr().err
