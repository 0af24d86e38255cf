"""The report's page and its tables for machines, on recordings whose names are markup."""

import base64
import csv
import io
import json
import re
import shutil

import pytest
import soundfile
from command import MFCC, asrkit
from hostile_report import MENDED, SPEAKERS, SYSTEMS, WORDS, utt_name, write_world
from synthetic import write_words

from asrkit.errors import DataError
from asrkit.io.archive import read_matrix
from asrkit.io.features import ReadConfig
from asrkit.io.files import read_table, write_table
from asrkit.workflows.learning_curve import read_curve
from asrkit.workflows.report import read_system
from asrkit.workflows.report_html import HtmlConfig, write_html

SMALLEST = ["--family=gmm", "--num-gauss=1", "--max-iters=1", "--warps="]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    top = write_world(tmp_path_factory.mktemp("world"))
    asrkit(
        "report", top / "report", top / "data", top / "chmm", top / "gmm", "--html", "--title=<b>invented</b>"
    )
    return top


def write(out, data, *decodes, **config):
    """Write the page as the command does, but without pictures, which take longer."""
    systems = [read_system(decode) for decode in decodes]
    out.mkdir(exist_ok=True)
    settings = HtmlConfig(html=True, **config)
    return write_html(out, data, systems, "", settings, ReadConfig(), {}).lines()[0]


def page_data(path):
    text = path.read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    blobs = re.findall(r'<script type="text/plain" id="blob-\d+">(.*?)</script>', text)
    values = json.loads(data)
    return text, values, dict(zip(values["sounds"], blobs, strict=True))


def wrong_by_system(world):
    truth = read_table(world / "data" / "text")
    hyps = {name: read_table(world / name / "hyp") for name in SYSTEMS}
    return {
        utt: {name: own.get(utt) for name, own in hyps.items() if own.get(utt) != word}
        for utt, word in truth.items()
        if any(own.get(utt) != word for own in hyps.values())
    }


def test_every_error_is_there_and_its_frames_add_up_to_the_scores(world):
    told, expected = json.loads((world / "report" / "report.json").read_text()), wrong_by_system(world)
    assert set(map(utt_name, MENDED)) <= set(expected)
    assert {
        one["utt"]: {name: own["heard"] for name, own in one["systems"].items()} for one in told["errors"]
    } == expected
    for name in SYSTEMS:
        words = [line.split()[0] for line in (world / name / "words.txt").read_text().splitlines()]
        table = read_table(world / name / "scores.scp")
        for one in told["errors"]:
            if name not in one["systems"]:
                continue
            own = one["systems"][name]
            scores, contrast = read_matrix(table[one["utt"]]), own["contrast"]
            winner, other = contrast["winner"]["word"], contrast["other"]["word"]
            assert (winner, other) == (own["heard"], one["said"]) and own["exact"]
            lead = scores[words.index(winner)] - scores[words.index(other)]
            assert contrast["total"] == pytest.approx(lead, abs=5e-3)
            assert sum(contrast["difference"]) == pytest.approx(
                contrast["total"], abs=1e-4 * len(contrast["difference"])
            )
            assert len(contrast["winner"]["states"]) == len(contrast["difference"])
            assert f"‘{winner}’" in own["why"] and f"{contrast['total']:.1f} nats" in own["why"]


def test_systems_and_their_comparison_are_those_of_score_and_compare(world, capsys):
    told = json.loads((world / "report" / "report.json").read_text())
    for one in told["systems"]:
        scored = json.loads((world / one["name"] / "report.json").read_text())
        assert (one["errors"], one["words"], one["interval"]) == (
            scored["errors"],
            scored["total"],
            scored["interval"],
        )
        assert one["confusion"] == scored["confusion"]
        assert one["accuracy"] == scored["accuracy"] == 1 - one["wer"]
    capsys.readouterr()
    asrkit("compare", world / "data", world / "chmm", world / "gmm")
    (compared,) = told["comparisons"]
    assert compared["verdict"] in capsys.readouterr().out


def test_neighbours_are_of_the_training_and_say_what_the_recording_says(world):
    told = json.loads((world / "report" / "report.json").read_text())
    speakers, right = read_table(world / "data" / "utt2spk"), {utt_name(key): key[1:-1] for key in MENDED}
    for one in told["errors"]:
        assert len(one["neighbours"]) == 5
        distances = [near["distance"] for near in one["neighbours"]]
        assert distances == sorted(distances)
        assert all(speakers[near["utt"]] != one["speaker"] for near in one["neighbours"]), (
            "he is left out of the training"
        )
        if one["utt"] in right:
            near = one["neighbours"][0]["utt"]
            assert near[1:].startswith(right[one["utt"]]), "whatever its label is"


def test_the_table_for_machines_has_a_line_for_each_error_of_each_system(world):
    with open(world / "report" / "errors.tsv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    expected = {
        (utt, name, heard) for utt, own in wrong_by_system(world).items() for name, heard in own.items()
    }
    assert {(row["utt"], row["system"], row["heard"]) for row in rows} == expected and len(rows) == len(
        expected
    )
    told = {one["utt"]: one for one in json.loads((world / "report" / "report.json").read_text())["errors"]}
    for row in rows:
        contrast = told[row["utt"]]["systems"][row["system"]]["contrast"]
        assert (
            float(row["ahead"]) == contrast["total"] and float(row["decided_nats"]) == contrast["decided_by"]
        )
        assert float(row["decided_start_s"]) == pytest.approx(contrast["decided"][0] / 100)


def test_names_that_are_markup_stay_texts(world):
    text, values, _ = page_data(world / "report" / "report.html")
    assert (
        "<img" not in text and "<b>" not in text and text.count("</script>") == 3 + len(values["sounds"]) - 1
    )
    assert set(values["speakers"]) == set(SPEAKERS)
    assert {one["said"] for one in values["cases"].values()} <= set(WORDS.values())
    assert "&lt;img/src=x/onerror=alert(&#x27;0one1&#x27;)&gt;" in text


def test_the_page_holds_the_recordings_as_they_are(world):
    _, values, sounds = page_data(world / "report" / "report.html")
    wavs = read_table(world / "data" / "wav.scp")
    assert set(sounds) == set(wavs), "of so few all are there"
    for utt, blob in sounds.items():
        samples, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(blob)), dtype="int16")
        expected, own_hz = soundfile.read(wavs[utt], dtype="int16")
        assert rate_hz == own_hz and (samples == expected).all()
    for utt, one in values["cases"].items():
        assert one["duration_s"] == pytest.approx(soundfile.info(wavs[utt]).duration, abs=1e-3)
        picture = one["picture"]["spectrogram"]
        assert len(base64.b64decode(picture["levels"])) == picture["bands"] * picture["columns"]


def test_what_does_not_fit_is_on_pages_beside_it(world, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report-9.html").write_text("not of a report before")
    said = write(out, world / "data", world / "chmm", world / "gmm", html_errors=1)
    count = len(wrong_by_system(world))
    pages = ["report.html", *(f"report-{k}.html" for k in range(2, count + 1))]
    assert f"{count} recordings with an error" in said and pages[-1] in said and count > 1
    shown = [list(page_data(out / name)[1]["cases"]) for name in pages]
    assert sorted(sum(shown, [])) == sorted(wrong_by_system(world)) and {len(own) for own in shown} == {1}
    for name, following in zip(pages, pages[1:]):
        assert f'href="{following}"' in (out / name).read_text(encoding="utf-8")
    write(out, world / "data", world / "chmm", world / "gmm")
    assert [path.name for path in out.glob("report*.html") if path.name != "report-9.html"] == ["report.html"]


def test_equal_decodings_make_equal_pages(world, tmp_path):
    asrkit(
        "report", tmp_path, world / "data", world / "chmm", world / "gmm", "--html", "--title=<b>invented</b>"
    )
    for name in ("report.html", "errors.tsv", "report.json"):
        assert (tmp_path / name).read_bytes() == (world / "report" / name).read_bytes()


def test_without_recordings_there_are_paths_but_no_sounds(world, tmp_path):
    shutil.copytree(world / "data", tmp_path / "data")
    (tmp_path / "data" / "wav.scp").unlink()
    write(tmp_path / "out", tmp_path / "data", world / "chmm")
    _, values, sounds = page_data(tmp_path / "out" / "report.html")
    own = set(read_table(world / "data" / "wav.scp"))
    assert not own & set(sounds) and sounds, "those of the training have recordings"
    assert all(one["picture"] == {} for one in values["cases"].values())
    assert all(own["contrast"] for one in values["cases"].values() for own in one["systems"].values())


def test_a_recording_that_cannot_be_read_is_told_and_the_rest_is_heard(world, tmp_path, caplog):
    shutil.copytree(world / "data", tmp_path / "data")
    table = read_table(world / "data" / "wav.scp")
    gone = utt_name("0one1")
    table[gone] = str(tmp_path / "gone.wav")
    (tmp_path / "data" / "wav.scp").write_text("".join(f"{utt} {path}\n" for utt, path in table.items()))
    write(tmp_path / "out", tmp_path / "data", world / "chmm")
    assert caplog.text.count("1 recording can't be heard in the report") == 1
    assert {key.partition(" @")[0] for key in page_data(tmp_path / "out" / "report.html")[2]} == set(
        table
    ) - {gone}


def test_a_decoding_of_its_own_looks_for_neighbours_where_it_is_told(world, tmp_path, capsys):
    data = world / "data"
    asrkit("train", data, tmp_path / "exp", *SMALLEST)
    asrkit("decode", tmp_path / "exp", data, tmp_path / "exp" / "decode", "--min-confidence=0.5")
    asrkit("score", data, tmp_path / "exp" / "decode")
    asrkit("report", tmp_path / "out", data, tmp_path / "exp" / "decode", "--html", "--train-dir", data)
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert told["errors"] and all(len(one["neighbours"]) == 5 for one in told["errors"])
    assert all(near["utt"] != one["utt"] for one in told["errors"] for near in one["neighbours"])
    write(tmp_path / "out", data, tmp_path / "exp" / "decode")
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert not any(one["neighbours"] for one in told["errors"])
    capsys.readouterr()
    asrkit(
        "report",
        tmp_path,
        data,
        tmp_path / "exp" / "decode",
        "--html",
        "--train-dir",
        tmp_path / "no",
        status=1,
    )
    assert f"{tmp_path / 'no'}: " in capsys.readouterr().err


def test_what_cannot_be_told_is_refused(world, tmp_path, capsys):
    asrkit("report", tmp_path, world / "data", world / "chmm", world / "chmm", "--html", status=1)
    assert "both systems are called 'chmm'" in capsys.readouterr().err
    shutil.copytree(world / "gmm", tmp_path / "gmm")
    report = json.loads((tmp_path / "gmm" / "report.json").read_text())
    (tmp_path / "gmm" / "report.json").write_text(json.dumps({**report, "errors": report["errors"] + 1}))
    asrkit("report", tmp_path / "out", world / "data", tmp_path / "gmm", "--html", status=1)
    assert "counts anew)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", [None, "", "count\n", "h\nall\t-\tx\t1\t2\n", "h\nall\t-\t0\t1\t2\n", "h\n1\t1\n"]
)
def test_learning_curves_that_are_none_are_told(world, tmp_path, text):
    if text is not None:
        (tmp_path / "learning-curve.tsv").write_text(text)
    with pytest.raises(
        DataError, match=r"learning-curve\.tsv: can't be read, .*\(asrkit learning-curve writes it\)"
    ):
        write(tmp_path / "out", world / "data", world / "gmm", learning_curves=str(tmp_path))


def test_learning_curves_are_means_of_the_draws_and_have_their_folders_names(world, tmp_path):
    head, rows = (
        "count\tdraw\tutts\terrors\twords\twer\tlow\thigh\n",
        ["2\t1\t6\t4\t10", "2\t2\t6\t2\t10", "all\t-\t36\t0\t10"],
    )
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "learning-curve.tsv").write_text(
            head + "".join(f"{row}\t0\t0\t0\n" for row in rows)
        )
    assert read_curve(tmp_path / "a") == [(6.0, pytest.approx(0.3)), (36.0, 0.0)]
    write(
        tmp_path / "out", world / "data", world / "gmm", learning_curves=f"{tmp_path / 'a'}, {tmp_path / 'b'}"
    )
    curves = json.loads((tmp_path / "out" / "report.json").read_text())["learning_curves"]
    assert list(curves) == ["a", "b"] and curves["b"] == [[6.0, pytest.approx(0.3)], [36.0, 0.0]]
    (drawn,) = re.findall(
        '<section id="learning".*?</section>', (tmp_path / "out" / "report.html").read_text()
    )
    assert "<title>a</title>" in drawn and "<title>b</title>" in drawn and drawn.count("<circle") == 4


def test_a_model_of_other_words_than_were_decoded_is_refused(world, tmp_path):
    data = world / "data"
    asrkit("train", data, tmp_path / "exp", *SMALLEST)
    asrkit("decode", tmp_path / "exp", data, tmp_path / "exp" / "decode")
    asrkit("score", data, tmp_path / "exp" / "decode")
    asrkit("subset-data", data, tmp_path / "two", "--utt-regex=one[023]|two[013]")
    asrkit("train", tmp_path / "two", tmp_path / "exp", *SMALLEST)
    with pytest.raises(DataError, match="decoded with 3 words that are not the 2 of "):
        write(tmp_path / "out", data, tmp_path / "exp" / "decode")
    asrkit("subset-data", data, tmp_path / "three", "--utt-regex=one|two")  # one of these is called three
    asrkit("train", tmp_path / "three", tmp_path / "exp", *SMALLEST)
    write(tmp_path / "out", data, tmp_path / "exp" / "decode")
    for one in json.loads((tmp_path / "out" / "report.json").read_text())["errors"]:
        own = one["systems"]["exp"]
        assert not own["exact"] and "scores differ from these paths" in own["why"]


def test_where_nobody_knows_who_speaks_there_is_no_table_of_speakers(world, tmp_path):
    shutil.copytree(world / "data", tmp_path / "data")
    for name in ("utt2spk", "spk2utt"):
        (tmp_path / "data" / name).unlink(missing_ok=True)
    write(tmp_path / "out", tmp_path / "data", world / "gmm")
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert 'id="speakers"' not in text and 'id="words"' in text


def test_frames_begin_where_the_speech_was_found_while_decoding(tmp_path):
    """Recordings with 0.5 s of noise on each side, decoded without stored features."""
    write_words(tmp_path / "wavs", "{word}_{speaker}_{take}.wav", takes=range(3), pad_s=0.5)
    asrkit(
        "prepare-wavs",
        tmp_path / "wavs",
        tmp_path / "data",
        "--pattern",
        "{word}_{speaker}_{index}",
        "--endpoints=true",
    )
    asrkit("compute-mfcc", tmp_path / "data", *MFCC)
    asrkit("train", tmp_path / "data", tmp_path / "exp", *SMALLEST)
    texts = read_table(tmp_path / "data" / "text")
    texts["anna-one-0"] = "two"
    (tmp_path / "test").mkdir()
    write_table(tmp_path / "test" / "text", texts)
    for name in ("wav.scp", "utt2spk"):
        shutil.copy(tmp_path / "data" / name, tmp_path / "test")
    decode = tmp_path / "exp" / "decode"
    asrkit("decode", tmp_path / "exp", tmp_path / "test", decode)
    asrkit("score", tmp_path / "test", decode)
    write(tmp_path / "out", tmp_path / "test", decode)
    one = page_data(tmp_path / "out" / "report.html")[1]["cases"]["anna-one-0"]
    frames = len(one["systems"]["exp"]["contrast"]["difference"])
    assert 0.35 < one["start_s"] < 0.55
    assert 0.35 < one["duration_s"] - one["start_s"] - frames * one["frame_shift_s"] < 0.6
    assert one["systems"]["exp"]["exact"]
