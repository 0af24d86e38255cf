"""asrkit mixgop plot: which pictures, of what, under which names, and what is refused."""

import kaldiio
import matplotlib
import numpy as np
import pytest
import soundfile
from command import asrkit
from scored import TRAIN, rows_of, write_scored

from asrkit.io.alignment import read_alignment
from asrkit.io.mixgop_file import read_mixgop
from asrkit.phones.allophones import utterance_tokens
from asrkit.plots import components as plots_components
from asrkit.plots import phones as plots_phones
from asrkit.workflows import mixgop_plot


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What `write_scored` says, and recordings of ann in test/."""
    top = write_scored(tmp_path_factory.mktemp("made"))
    wavs, rng = [], np.random.default_rng(3)
    for take in range(4):
        soundfile.write(top / f"ann-{take:02d}.wav", rng.uniform(-0.1, 0.1, 4000), 8000)
        wavs.append(f"ann-{take:02d} {top}/ann-{take:02d}.wav\n")
    (top / "test" / "data" / "wav.scp").write_text("".join(wavs))
    return top


@pytest.fixture
def figures(monkeypatch):
    """The figures that are drawn, instead of files: writing takes longer than all else here."""
    drawn = []
    for room in (plots_phones, plots_components):
        monkeypatch.setattr(room, "save", lambda figure, path: drawn.append(figure))
    return drawn


def plot(made, out, *words, status=0):
    return asrkit("mixgop", "plot", made / "scores", out, *words, status=status)


def texts(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def test_command_writes_pngs_and_names_them(made, tmp_path, capsys):
    plot(
        made,
        tmp_path,
        "--data",
        made / "test" / "data",
        "--exp",
        made / "exp",
        "--ali",
        made / "test" / "ali",
        "--phones=AA",
        "--utts=ann-01",
    )
    out = capsys.readouterr().out.splitlines()
    assert out == [
        str(tmp_path / name)
        for name in ("speakers_posterior.png", "utt_ann-01_posterior.png", "components_AA.png")
    ]
    assert sorted(map(str, tmp_path.iterdir())) == sorted(out)
    first = {name: (tmp_path / name).read_bytes() for name in out}
    assert all(content.startswith(b"\x89PNG\r\n\x1a\n") for content in first.values())
    plot(made, tmp_path)
    assert (tmp_path / "speakers_posterior.png").read_bytes() == first[out[0]]


def test_lowest_and_highest_utterances_are_drawn(made, tmp_path, figures, capsys):
    plot(made, tmp_path, "--data", made / "test" / "data", "--kind=z", "--worst=2")
    means = {}
    for row in rows_of(made / "scores" / "phones.tsv"):
        means.setdefault(row["utt"], []).append(float(row["z"]))
    ranked = sorted(means, key=lambda utt: np.nanmean(means[utt]))
    out = capsys.readouterr().out.splitlines()
    assert out == [
        str(tmp_path / f"{name}.png")
        for name in ("speakers_z", *(f"utt_{utt}_z" for utt in (*ranked[:2], ranked[-1])))
    ]
    for figure, utt in zip(figures[1:], (*ranked[:2], ranked[-1])):
        # a recording is drawn where there is one
        sort = "frequency" if utt.startswith("ann") else "dimension"
        assert figure.axes[0].get_ylabel().startswith(
            sort
        ) and f"{utt}, speaker {utt[:3]}: mean z" in " ".join(texts(figure))
    ranges = {figure.axes[-1].get_ylim() for figure in figures[1:]}
    assert len(figures) == 4 and len(ranges) == 1  # colours can be compared
    np.testing.assert_allclose(
        ranges.pop(), np.nanquantile(np.concatenate(list(means.values())), [0.05, 0.95])
    )


def test_utterances_of_few_phones_are_passed_over(made):
    class Few:
        rows = {"long": [0, 1, 2, 3, 4], "short": [5, 6], "none": [7], "other": [8, 9, 10, 11, 12]}
        columns = {"z": np.array([-1.0] * 5 + [-9.0, -9.0, np.nan] + [0.0] * 5)}

    assert mixgop_plot.notable(Few, "z", set(Few.rows), 3, 1) == ["long", "other"]
    assert mixgop_plot.notable(Few, "z", {"short", "none"}, 3, 1) == ["short"]
    assert mixgop_plot.notable(Few, "z", {"long", "other"}, 1, 1) == ["long", "other"]


@pytest.mark.parametrize(
    "words, status, told",
    [
        (["--utts=ann-00"], 2, "--utts ann-00 needs --data DIR"),
        (["--exp=x"], 2, "--exp x goes with --ali ALI"),
        (["--phones=AA"], 2, "need --data DIR, --exp EXP and --ali ALI"),
        (["--exp={exp}", "--ali={ali}"], 2, "need --data DIR"),
        (["--kind=posteriors"], 1, "no score 'posteriors' (did you mean posterior?); it has loglik"),
        (["--data={data}", "--utts=ann-1"], 1, "utterance 'ann-1' is not in it (did you mean ann-"),
        (
            ["--data={data}", "--exp={exp}", "--ali={ali}", "--phones=ZH"],
            1,
            "no model of phone 'ZH'; it has AA B SH",
        ),
    ],
)
def test_what_is_refused(made, tmp_path, capsys, figures, words, status, told):
    places = {"exp": made / "exp", "ali": made / "test" / "ali", "data": made / "test" / "data"}
    words = [word.format(**places) for word in words]
    if status == 2:
        with pytest.raises(SystemExit, match="2"):
            plot(made, tmp_path, *words)
    else:
        plot(made, tmp_path, *words, status=status)
    assert told in capsys.readouterr().err


def test_scores_without_speakers_and_data_without_utterances(made, tmp_path, figures, capsys):
    other = tmp_path / "scores"
    other.mkdir()
    (other / "phones.tsv").write_text((made / "scores" / "phones.tsv").read_text())
    asrkit("mixgop", "plot", other, tmp_path, status=1)
    assert "utterances.tsv" in capsys.readouterr().err
    plot(made, tmp_path, "--data", made / "train" / "data", "--utts=dan-00", status=1)
    assert "neither a recording" in capsys.readouterr().err
    (tmp_path / "wav.scp").write_text("other other.wav\n")
    plot(made, tmp_path, "--data", tmp_path)
    assert "none is drawn" in capsys.readouterr().err and len(figures) == 1


def test_default_kind_is_the_first_that_has_values(made, tmp_path, figures, capsys):
    lines = [line.split("\t") for line in (made / "scores" / "phones.tsv").read_text().splitlines()]
    for line in lines[1:]:
        line[lines[0].index("posterior")] = "nan"
    (tmp_path / "phones.tsv").write_text("".join("\t".join(line) + "\n" for line in lines))
    (tmp_path / "utterances.tsv").write_text((made / "scores" / "utterances.tsv").read_text())
    asrkit("mixgop", "plot", tmp_path, tmp_path / "out")
    assert capsys.readouterr().out.endswith("speakers_z.png\n")
    asrkit("mixgop", "plot", tmp_path, tmp_path / "out", "--kind=posterior", status=1)
    assert "no phone has a score of kind posterior" in capsys.readouterr().err


def test_a_segment_is_cut_out_of_its_recording(made, tmp_path, figures):
    (tmp_path / "wav.scp").write_text(f"rec {made}/ann-00.wav\n")
    (tmp_path / "segments").write_text("ann-00 rec 0.1 0.35\nann-01 rec 0.2 -1\n")
    plot(made, tmp_path / "out", "--data", tmp_path, "--utts=ann-00,ann-01", "--kind=z")
    assert [round(figure.axes[0].images[0].get_extent()[1], 6) for figure in figures[1:]] == [0.25, 0.3]


def test_heat_map_of_the_command(made, tmp_path, figures):
    plot(made, tmp_path, "--centre=false")
    plot(made, tmp_path, "--kind=z")
    plot(made, tmp_path)
    cells = {}
    for row in rows_of(made / "scores" / "phones.tsv"):
        cells.setdefault((row["utt"][:3], row["phone"]), []).append(float(row["posterior"]))
    axes = grid_of(figures[0]).axes
    phones, speakers = (
        [text.get_text() for text in labels] for labels in (axes.get_xticklabels(), axes.get_yticklabels())
    )
    assert sorted(speakers) == ["ann", "cid", "dan"] and phones[-1] == "ZH"
    found = np.ma.filled(grid_of(figures[0]).get_array(), np.nan).reshape(3, 4)
    np.testing.assert_allclose(found, [[np.mean(cells[who, phone]) for phone in phones] for who in speakers])
    assert ["less the phone's" in " ".join(texts(figure)) for figure in figures] == [False, False, True]


def grid_of(figure):
    return next(
        c for axes in figure.axes for c in axes.collections if isinstance(c, matplotlib.collections.QuadMesh)
    )


def test_components_of_the_command(made, tmp_path, figures):
    """Every token of the phone has its component and its neighbours: counted here by hand."""
    words = [
        "--data",
        made / "test" / "data",
        "--exp",
        made / "exp",
        "--ali",
        made / "test" / "ali",
        "--worst=0",
        "--best=0",
    ]
    plot(made, tmp_path, *words, "--phones=AA")
    rows = [row for row in rows_of(made / "scores" / "phones.tsv") if row["phone"] == "AA"]
    counts = {comp: sum(row["comp"] == comp for row in rows) for comp in {row["comp"] for row in rows}}
    legend = " ".join(texts(figures[1]))
    for comp, count in counts.items():
        assert f"{comp}: {count} tokens" in legend
        mine = [row for row in rows if row["comp"] == comp]
        edge = sum(row["idx"] == "0" for row in mine)  # the first AA follows the beginning, the second a B
        assert (
            f"{'#' if edge >= len(mine) - edge else 'B'} {100 * max(edge, len(mine) - edge) / len(mine):.0f} %"
            in legend
        )
    assert f"AA: {len(rows)} tokens, in {len(counts)} of 3 components" in legend
    points = sum(len(line.get_xdata()) for line in figures[1].axes[0].lines)
    assert points == len(rows)
    plot(made, tmp_path, *words)
    assert len(figures) == 6  # speakers twice, AA, and all three


def test_frames_are_tokens_where_the_pooling_says_so(made, tmp_path):
    asrkit(
        "mixgop",
        "train",
        made / "train" / "data",
        made / "train" / "ali",
        tmp_path / "exp",
        *TRAIN[:-1],
        "--pooling=all",
    )
    phone_set = read_mixgop(tmp_path / "exp")
    feats = kaldiio.load_scp(str(made / "test" / "data" / "feats.scp"))["dan-01"]
    phones = read_alignment(made / "test" / "ali")["dan-01"]
    found = {
        phone: parts for phone, *parts in utterance_tokens(phone_set, feats, "dan-01", phones, ["SH", "AA"])
    }
    assert sorted(found) == ["AA", "SH"]
    spans = [
        slice(round(phone.start_s * 100), round(phone.end_s * 100)) for phone in phones if phone.label == "AA"
    ]
    obs, left, right = found["AA"]
    np.testing.assert_array_equal(obs, np.concatenate([feats[span] for span in spans]))
    first = spans[0].stop - spans[0].start
    assert (
        set(left[:first]) == {"#"}
        and set(right[:first]) == {"B"}
        and set(left[first:]) == {"B"}
        and set(right[first:]) == {"SH"}
    )
