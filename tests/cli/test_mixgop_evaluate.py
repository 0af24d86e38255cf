"""asrkit mixgop evaluate and mixgop clusters."""

import io
import json

import numpy as np
import pytest
from scipy.stats import kendalltau

from asrkit.cli.commands import mixgop_clusters as clusters_command
from asrkit.cli.commands import mixgop_evaluate as evaluate_command
from asrkit.cli.main import Parser
from asrkit.cli.output import speak_flags
from asrkit.errors import DataError, SettingsError
from asrkit.workflows.mixgop_evaluate import mixgop_evaluate

PHONES = {"u1": "T AA N", "u2": "N AA T", "u3": "AA T", "u4": "N N T AA"}
RATINGS = {"u1": [2.0, 1.0, 0.0], "u2": [0.2, 2.0, 2.0], "u3": [0.0, 1.0], "u4": [2.0, 2.0, 2.0, 1.8]}
SPEAKERS = {"u1": "amy", "u2": "bob", "u3": "bob", "u4": "cid"}
HEAD = "utt word idx phone start end loglik posterior ratio z pct comp rival n_frames".split()


def write_scores(folder, scores=RATINGS, phones=PHONES):
    """A folder of mixgop score whose posterior is `scores`, its loglik their negative."""
    folder.mkdir(exist_ok=True)
    lines = [HEAD]
    for utt, labels in phones.items():
        for idx, (phone, score) in enumerate(zip(labels.split(), scores[utt])):
            no = np.isnan(score)
            lines.append(
                [
                    utt,
                    "",
                    idx,
                    phone,
                    idx / 10,
                    (idx + 1) / 10,
                    -score,
                    score,
                    score,
                    10 * score,
                    50,
                    "nan" if no else idx % 2,
                    "" if no else "S",
                    10,
                ]
            )
    (folder / "phones.tsv").write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))
    return folder


def wide(ratings=RATINGS, phones=PHONES):
    return "".join(f"{utt}\t{phones[utt]}\t{' '.join(map(str, row))}\n" for utt, row in ratings.items())


def long(ratings=RATINGS):
    return "".join(
        f"{utt}\t{idx}\t{value}\n" for utt, row in ratings.items() for idx, value in enumerate(row)
    )


@pytest.fixture
def evaluate(tmp_path, capsys):
    """A function that runs the command on a text of ratings; it returns evaluation.json and what was printed."""

    def run(ratings, *options, scores=RATINGS, folders=("sys",), higher_is="better"):
        (tmp_path / "ratings.tsv").write_text(ratings)
        (tmp_path / "utt2spk").write_text("".join(f"{utt} {speaker}\n" for utt, speaker in SPEAKERS.items()))
        for name in folders:
            if not (tmp_path / name).exists():
                write_scores(tmp_path / name, scores)
        words = [
            *(tmp_path / name for name in folders),
            tmp_path / "ratings.tsv",
            "--higher-is",
            higher_is,
            "--out",
            tmp_path / "out",
            *options,
        ]
        parser = Parser()
        evaluate_command.add_arguments(parser)
        speak_flags(parser.flags())
        assert evaluate_command.main(parser.parse_args([str(word) for word in words])) == 0
        return json.loads((tmp_path / "out" / "evaluation.json").read_text()), capsys.readouterr().out

    return run


@pytest.fixture(autouse=True)
def no_picture(monkeypatch, request):
    """Drawing takes longer than all else here: only the test of the picture draws."""
    if "picture" not in request.node.name:
        monkeypatch.setattr("asrkit.plots.ratings.plot_evaluation", lambda *args: None)


def test_table_and_files(evaluate, tmp_path):
    noisy = {utt: np.add(row, np.linspace(0, 0.9, len(row))).tolist() for utt, row in RATINGS.items()}
    facts, printed = evaluate(wide(), "--data", tmp_path, "--kinds", "loglik,posterior", scores=noisy)
    flat, labels = np.concatenate(list(noisy.values())), np.concatenate(list(RATINGS.values()))
    tau = kendalltau(flat, labels).statistic
    assert facts["rows"][1]["phone_tau"]["value"] == pytest.approx(tau)
    assert facts["rows"][0]["phone_tau"]["value"] == pytest.approx(-tau)
    means = [[np.mean(table[utt]) for utt in PHONES] for table in (noisy, RATINGS)]
    assert facts["rows"][1]["utt_tau"]["value"] == pytest.approx(kendalltau(*means).statistic)
    assert facts["best"] == {"system": "sys", "kind": "posterior"}
    assert facts["rows"][1]["num_speakers"] == 3 and facts["rows"][1]["phone_tau"]["low"] <= tau
    row = next(line.split() for line in printed.splitlines() if line.split()[1:2] == ["posterior"])
    assert row[2] == f"{tau:.3f}" and row[3].startswith("[")
    assert row[-3:] == ["12", "4", "0"]
    assert "of 3; so few speakers say little about others" in printed
    table = (tmp_path / "out" / "evaluation.tsv").read_text().splitlines()
    assert dict(zip(table[0].split("\t"), table[2].split("\t")))["num_utts"] == "4"
    phones = [line.split("\t") for line in (tmp_path / "out" / "phones_tau.tsv").read_text().splitlines()]
    assert phones[0] == ["system", "kind", "phone", "n", "n_bad", "tau", "auc", "mean_good", "mean_bad"]
    assert [row[2:5] for row in phones[1:4]] == [["AA", "4", "1"], ["N", "4", "2"], ["T", "4", "0"]]
    assert phones[3][6] == "nan"  # no bad T


def test_forms_of_ratings_say_the_same(evaluate):
    rows = [
        evaluate(text, "--kinds", "z")[0]["rows"]
        for text in (wide(), long(), "utt\tidx\trating\r\n" + long(), "utt\tphones\tscores\n" + wide())
    ]
    assert rows[0] == rows[1] == rows[2] == rows[3]
    means = "".join(f"{utt}\t{np.mean(row)}\n" for utt, row in RATINGS.items())
    facts, printed = evaluate(means, "--kinds", "z")
    assert facts["rows"][0]["utt_tau"] == rows[0][0]["utt_tau"]
    assert facts["rows"][0]["phone_tau"]["value"] is None and facts["phones"] == []
    assert "0 bad utterances of 4" in printed
    assert evaluate(means.replace("\t", " "), "--kinds", "z")[0]["rows"] == facts["rows"]


def test_direction(evaluate):
    better, worse = (
        evaluate(wide(), "--kinds", "z", higher_is=way)[0]["rows"][0] for way in ("better", "worse")
    )
    assert better["phone_tau"]["value"] == pytest.approx(1) == -worse["phone_tau"]["value"]
    with pytest.raises(SystemExit):
        evaluate(wide(), higher_is="up")


def test_what_is_left_out_is_counted_and_named(evaluate, caplog):
    scores = {**RATINGS, "u1": [np.nan, 1.0, 0.0], "u3": [np.nan, np.nan]}
    ratings = {utt: row for utt, row in RATINGS.items() if utt != "u2"}
    facts, printed = evaluate(
        wide(ratings).replace("1.8", "nan") + "u9\tT\t1\n", "--kinds", "z", scores=scores
    )
    row = facts["rows"][0]
    assert (row["num_phones"], row["phones_left_out"], row["phones_unrated"]) == (5, 3, 1)
    assert (row["num_utts"], row["utts_left_out"], row["only_scored"], row["only_rated"]) == (
        2,
        1,
        ["u2"],
        ["u9"],
    )
    assert "1 utterances are rated, but not scored: u9" in caplog.text
    for note in (
        "left out: phones without a score",
        "1 rated utterances have no scored phone",
        "1 phones are not rated",
        "scored, but not rated: 1",
    ):
        assert note in printed


def test_several_systems_are_rows_of_one_table(evaluate, tmp_path):
    for name, scores in (("a", RATINGS), ("b", {**RATINGS, "u1": [np.nan, 1.0, 0.0]})):
        write_scores(tmp_path / name, scores)
    facts, printed = evaluate(wide(), "--kinds", "z,ratio", folders=("a", "b"))
    seen = [(row["system"], row["kind"], row["num_phones"]) for row in facts["rows"]]
    assert seen == [("a", "z", 12), ("a", "ratio", 12), ("b", "z", 11), ("b", "ratio", 11)]
    assert "not all rows rest on the same phones" in printed
    assert "no intervals: --data DIR or --utt2spk FILE says who spoke" in printed


def test_ratings_of_other_data_directories_are_left_aside(evaluate, tmp_path, caplog):
    facts, printed = evaluate(wide() + "other\tT AA\t1 2\n", "--data", tmp_path)
    assert facts["rows"][0]["only_rated"] == [] and "not scored" not in printed + caplog.text
    facts, printed = evaluate(wide() + "other\tT AA\t1 2\n", "--utt2spk", tmp_path / "utt2spk")
    assert facts["rows"][0]["only_rated"] == ["other"] and "utterances rated, but not scored: 1" in printed


def test_speakers_that_are_not_known(evaluate, tmp_path, caplog):
    evaluate(wide())
    (tmp_path / "some").write_text("u4 cid\nu1 cid\n")
    facts, _ = evaluate(wide(), "--utt2spk", str(tmp_path / "some"))
    assert facts["rows"][0]["num_speakers"] == 3
    assert "no speaker is known of 2 utterances" in caplog.text and "u2, u3" in caplog.text
    found = mixgop_evaluate(
        [tmp_path / "sys"], tmp_path / "ratings.tsv", higher_is="better", data_dir=tmp_path, most_speakers=2
    )
    assert np.isnan(found.rows[0]["phone_tau"]["low"])
    assert "no intervals of 3 speakers" in caplog.text
    with pytest.raises(SettingsError, match="not both"):
        evaluate(wide(), "--utt2spk", "x", "--data", "y")


@pytest.mark.parametrize(
    "ratings, message",
    [
        (
            wide().replace("T AA N", "T AE N"),
            r"^u1: .*ratings.tsv rates T AE N, .*phones.tsv scores T AA N \(score an alignment",
        ),
        (wide().replace("T AA N", "T AA1 N"), "stress digits only"),
        (long() + "u1\t3\t2\n", "u1 has a rating of phone 3, but .* has 3 phones, from 0: T AA N"),
        (wide() + "u1\tT\t1\n", "ratings.tsv:5: u1 is rated twice"),
        (long() + "u1\t2\t2\n", "ratings.tsv:13: u1, phone 2, is rated twice"),
        (wide() + "u5\tT AA\t1\n", "ratings.tsv:5: u5 has 2 phones and 1 ratings"),
        (wide().replace("0.2", "0,2"), "ratings.tsv:2: '0,2' is no number"),
        (wide().replace("0.2", "inf"), "ratings.tsv:2: a rating is a finite number"),
        (wide() + "u5\t1\n", "ratings.tsv:5: 2 fields"),
        ("utt\tidx\trating\nu1\tT\t2\n", "ratings.tsv:2: 'T' is no place"),
        ("utt\trating\n", "no ratings in it"),
        ("x\tT\t2\n", "no utterance in common: u1, u2, u3, u4 is scored, x rated"),
    ],
)
def test_bad_ratings(evaluate, ratings, message):
    with pytest.raises(DataError, match=message):
        evaluate(ratings)


def test_bad_scores(evaluate, tmp_path):
    with pytest.raises(
        DataError, match=r"no score 'posteriors' \(did you mean posterior\?\); it has loglik, "
    ):
        evaluate(wide(), "--kinds", "posteriors")
    with pytest.raises(SettingsError, match="names no kind"):
        evaluate(wide(), "--kinds", ",")
    table = tmp_path / "sys" / "phones.tsv"
    text = table.read_text()
    for old, new, message in (
        ("u1\t\t1\t", "u1\t\t2\t", "phones.tsv:3: idx 2 of u1, 1 was to come"),
        ("\t-0.2\t", "\tlow\t", "phones.tsv:5: loglik: 'low' is no number"),
        ("\tS\t10\n", "\n", "phones.tsv:2: 12 fields"),
        ("utt\t", "id\t", "no column 'utt'"),
    ):
        table.write_text(text.replace(old, new))
        with pytest.raises(DataError, match=message):
            evaluate(wide())
    table.write_text(text)
    with pytest.raises(DataError, match="no utterance has both a rating and a score"):
        evaluate(wide({utt: [np.nan] * len(row) for utt, row in RATINGS.items()}))
    table.unlink()
    with pytest.raises(DataError, match="asrkit mixgop score makes it"):
        evaluate(wide())


def test_picture(evaluate, tmp_path):
    import matplotlib.image

    pictures = []
    whole = "".join(f"{utt}\t{i}\n" for i, utt in enumerate(RATINGS))
    for text in (wide(), whole, whole):
        evaluate(text, "--kinds", "z")
        pictures.append((tmp_path / "out" / "evaluation.png").read_bytes())
    assert pictures[1] == pictures[2]
    both, one = (
        matplotlib.image.imread(io.BytesIO(picture), format="png")[..., :3] for picture in pictures[:2]
    )
    assert both.shape[1] > 1.5 * one.shape[1]  # without phones there is one panel
    right = both[:, both.shape[1] * 2 // 3 :]
    assert np.mean(right[..., 2] - right[..., 0] > 0.15) > 0.02  # bars


def test_clusters(tmp_path, capsys):
    write_scores(tmp_path / "sys", {**RATINGS, "u3": [np.nan, 1.0]})

    def run(*options):
        parser = Parser()
        clusters_command.add_arguments(parser)
        assert clusters_command.main(parser.parse_args([str(tmp_path / "sys"), *options])) == 0
        return capsys.readouterr().out.splitlines()

    lines = run("--min-tokens", "2")
    assert lines[0].split() == ["phone", "component", "n", "share", "left", "right", "exemplars"]
    first = [line.split() for line in lines[1:3]]
    assert first[0][:5] == ["AA", "1", "3", "100", "%"]  # at places 1, 1 and 3 of their utterances
    assert first[0][-3:] == ["u1:0.10-0.20", "u4:0.30-0.40", "u2:0.10-0.20"]  # by loglik, -1, -1.8, -2
    assert first[1][0] == "N"
    assert lines[-2].startswith("ANMI ") and "3 phones" in lines[-2]
    assert lines[-1] == "left out: 1 phones without a score"
    assert {line.split()[0] for line in run("--phones", "T", "--environment", "manner")[1:-3]} == {"T"}
    with pytest.raises(DataError, match="no scored token of X"):
        run("--phones", "X")
    (tmp_path / "classes").write_text("T t\nAA v\n")
    with pytest.raises(DataError, match="no class for the phones N"):
        run("--environment", "manner", "--classes", str(tmp_path / "classes"))
    with pytest.raises(SettingsError, match="goes with"):
        run("--classes", "x")
