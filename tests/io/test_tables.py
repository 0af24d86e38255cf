"""Every table, list and conf file, with a byte order mark, other line ends, letters taken apart or a stray byte: the same
content, or one line that names file and line.
"""

import dataclasses
import shutil
import unicodedata

import numpy as np
import pytest

import asrkit
from asrkit.config import read_conf
from asrkit.errors import AsrkitError, DataError
from asrkit.evaluation.texts import texts_by_utt
from asrkit.io.ali_archive import read_phone_table
from asrkit.io.alignment import read_ctm
from asrkit.io.combine import side_table
from asrkit.io.data_dir import SIDE_BY_SPEAKER, SIDE_BY_UTT, read_data_dir
from asrkit.io.files import c_sorted, plain_table, read_table, table_by_lines, write_table
from asrkit.io.lexicon import read_lexicon, read_pronunciations
from asrkit.io.model_file import read_model, write_model
from asrkit.io.ratings import read_ratings, read_scores
from asrkit.io.validation import Checks, find_faults
from asrkit.words.settings import TrainingSettings
from asrkit.workflows.crossval import FoldPlan, folds_of
from asrkit.workflows.fix_data import fix_data
from asrkit.workflows.subset_data import subset_data
from asrkit.workflows.train import train

MARK = b"\xef\xbb\xbf"
WORDS = ("café", "naïve")
SPEAKERS = ("jürgen", "zoë")
UTTS = {
    f"{speaker}-{word}-{take}": (speaker, word) for speaker in SPEAKERS for word in WORDS for take in "12"
}


def apart(content, keys_alone=False):
    """A table's letters taken apart; of scp files those of the keys, for a path is what the file system has."""
    lines = content.decode().splitlines()
    cells = [line.split(" ", 1) if keys_alone else [line] for line in lines]
    return "".join(
        " ".join([unicodedata.normalize("NFD", head), *rest]) + "\n" for head, *rest in cells
    ).encode()


def in_second_line(sign):
    return lambda content: content.replace(b"\n", b"\n" + sign, 1)


# What changes nothing, and what is refused with file and line.
HARMLESS = {
    "mark": lambda content: MARK + content,
    "mark in each line": lambda content: b"".join(MARK + line for line in content.splitlines(keepends=True)),
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "taken apart": apart,
}
REFUSED = {
    "NUL": in_second_line(b"\0"),
    "lone CR": lambda content: content[:-2] + b"\r" + content[-2:],
    "no-break space": in_second_line("\u00a0".encode()),
    "line separator": in_second_line("\u2028".encode()),
    "zero width space": in_second_line("\u200b".encode()),
    "mark inside": in_second_line(b"a" + MARK),
    "Latin-1": in_second_line(b"\xe9"),
}
TABLES = ("wav.scp", "text", "utt2spk", "spk2utt", "segments", "feats.scp", "cmvn.scp", "utt2uniq")
TABLES += SIDE_BY_UTT + SIDE_BY_SPEAKER


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data directory with all tables, whose words, utterances, recordings and speakers have composed letters."""
    path, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for utt, (_, word) in UTTS.items():
        np.save(path / f"{utt}.npy", rng.normal(len(word), 1, (20, 3)))
    for speaker in SPEAKERS:
        np.save(path / f"{speaker}.npy", np.array([[1, 1, 1, 40], [50, 50, 50, 0]], dtype=float))
    tables = {
        "wav.scp": {speaker: f"{path}/{speaker}.wav" for speaker in SPEAKERS},
        "text": {utt: word for utt, (_, word) in UTTS.items()},
        "utt2spk": {utt: speaker for utt, (speaker, _) in UTTS.items()},
        "spk2utt": {
            speaker: " ".join(utt for utt in UTTS if UTTS[utt][0] == speaker) for speaker in SPEAKERS
        },
        "segments": {utt: f"{speaker} 0 1" for utt, (speaker, _) in UTTS.items()},
        "feats.scp": {utt: f"{path}/{utt}.npy" for utt in UTTS},
        "cmvn.scp": {speaker: f"{path}/{speaker}.npy" for speaker in SPEAKERS},
        "utt2uniq": dict.fromkeys(UTTS, "zoë-café-1"),
        "utt2num_frames": dict.fromkeys(UTTS, "20"),
        "utt2dur": dict.fromkeys(UTTS, "0.2"),
        "spk2gender": dict.fromkeys(SPEAKERS, "f"),
    }
    for name, table in tables.items():
        write_table(path / name, table)
    return path


def copied(folder, to, name, damage):
    """A copy of the data directory with one table changed."""
    shutil.copytree(folder, to)
    content = (folder / name).read_bytes()
    scp = name.endswith(".scp")
    (to / name).write_bytes(apart(content, keys_alone=True) if damage is apart and scp else damage(content))
    return to


def content(path):
    """Everything that asrkit reads of a data directory, but where it lies."""
    data = read_data_dir(path)
    tables = [data.wav, data.text, data.utt2spk, data.segments, data.feats, data.cmvn]
    sides = [
        side_table(data, name, {*data.utts, *SPEAKERS})
        for name in (*SIDE_BY_UTT, *SIDE_BY_SPEAKER, "utt2uniq")
    ]
    return [list(table.items()) for table in (*tables, *sides)]


@pytest.mark.parametrize(
    "name", [name for name in TABLES if name != "spk2utt"]
)  # which asrkit makes, and only checks
@pytest.mark.parametrize("damage", HARMLESS.values(), ids=HARMLESS)
def test_a_table_says_the_same(folder, tmp_path, name, damage):
    other = copied(folder, tmp_path / "data", name, damage)
    assert content(other) == content(folder)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("damage", REFUSED.values(), ids=REFUSED)
def test_a_table_is_refused_with_its_line(folder, tmp_path, name, damage):
    other = copied(folder, tmp_path / "data", name, damage)
    with pytest.raises(DataError) as refused:
        read_table(other / name)
    assert str(refused.value).startswith(f"{other / name}:") and "\n" not in str(refused.value)
    checks = Checks(read_wavs=False)
    told = [fault for fault in find_faults(other, checks) if fault.startswith(f"{other / name}:")]
    assert told and all("holds U+" in fault or "UTF-8" in fault for fault in told[:1])


@pytest.mark.parametrize("name", TABLES)
def test_validate_data_tells_and_fix_data_mends_letters_taken_apart(folder, tmp_path, name, caplog):
    other = copied(folder, tmp_path / "data", name, apart)
    checks = Checks(no_wav=True, read_wavs=False)
    before = [fault for fault in find_faults(folder, checks) if "no such file" not in fault]
    caplog.clear()
    assert [fault for fault in find_faults(other, checks) if "no such file" not in fault] == before
    assert f"{other / name}: " in caplog.text and "taken apart (NFD; first line 1)" in caplog.text
    fix_data(other)
    caplog.clear()
    find_faults(other, checks)
    assert "taken apart" not in caplog.text


@pytest.mark.parametrize("name", ["text", "feats.scp", "utt2spk"])
def test_training_makes_the_same_model_of_either_form(folder, tmp_path, name):
    other = copied(folder, tmp_path / "data", name, apart)
    settings = TrainingSettings.of("gmm", num_gauss=1, warps="")
    for source, exp in ((folder, tmp_path / "a"), (other, tmp_path / "b")):
        train(source, exp, settings)
    assert (tmp_path / "a/final.npz").read_bytes() == (tmp_path / "b/final.npz").read_bytes()
    assert read_model(tmp_path / "b").words == WORDS


def test_paths_stay_as_the_file_system_has_them(tmp_path):
    path = unicodedata.normalize("NFD", "/recordings/café\u202f1.wav")
    (tmp_path / "wav.scp").write_text(f"a {path}\n", encoding="utf-8")
    assert read_data_dir(tmp_path).wav == {"a": path}


STRAY = [
    "\n",
    "\r",
    "\t",
    " ",
    "  ",
    " \n",
    "\n\n",
    "\x1c",
    "\0",
    "\x85",
    "\u00a0",
    "\u2028",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\u0301",
    "é",
    "e\u0301",
]
STRAY = [sign.encode() for sign in [*STRAY, "ä b\n", "a-1 x\n", "\U0001f600", "\u1e9b\u0323"]] + [
    b"\xe9",
    b"\xed\xa0\x80",
]


def outcome(read, *args):
    """What a reader returns, in its order, or the error that it raises."""
    try:
        return list(read(*args).items())
    except DataError as error:
        return str(error)


@pytest.mark.parametrize("name", ["text", "feats.scp", "skipped"])
@pytest.mark.parametrize("check_sorted", [True, False])
def test_a_table_read_at_once_is_the_one_read_line_by_line(tmp_path, name, check_sorted):
    rng, path, at_once = np.random.default_rng(0), tmp_path / name, 0
    for turn in range(500):
        letters = "abcé-1" if turn % 2 else "abc-12"
        keys = {"".join(rng.choice([*letters], rng.integers(1, 6))) for _ in range(rng.integers(0, 5))}
        content = "".join(f"{key} {'x y' if rng.random() < 0.3 else 'x'}\n" for key in sorted(keys)).encode()
        if turn % 7 == 0:
            content += content[content[:-1].rfind(b"\n") + 1 :]  # the last line twice
        for _ in range(rng.integers(0, 3)):
            place, stray = rng.integers(0, len(content) + 1), STRAY[rng.integers(len(STRAY))]
            content = content[:place] + stray + content[place + rng.integers(0, 3) :]
        quick = plain_table(content, check_sorted)
        at_once += quick is not None
        expected = outcome(table_by_lines, content, path, check_sorted)
        assert quick is None or list(quick.items()) == expected, content
        if turn < 50:
            path.write_bytes(content)
            assert outcome(lambda: read_table(path, check_sorted=check_sorted)) == expected, content
    assert 100 < at_once < 400  # both kinds are there


def test_the_order_of_the_c_locale_is_that_of_the_bytes():
    keys = ["a", "Z", "é", "zé", "z", "\uffff", "\U00010000", "", "\u0800", "\x7f", "\x80"]
    assert c_sorted(keys) == sorted(keys, key=str.encode)


def test_two_forms_of_one_key_are_a_key_twice(tmp_path):
    (tmp_path / "text").write_text("cafe\u0301 yes\ncaf\u00e9 no\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"text:2: key 'café' appears twice"):
        read_data_dir(tmp_path)


def test_the_line_is_that_of_the_file_where_composing_changes_the_order(tmp_path):
    lines = ["z\u00e9 zo\u0308e 0 1", "zf zoe 1 0", "zg zoe 0 1"]
    (tmp_path / "segments").write_bytes(
        "".join(f"{line}\n" for line in (unicodedata.normalize("NFD", line) for line in lines)).encode()
    )
    with pytest.raises(DataError, match=r"segments:2: utterance 'zf': end 0 s"):
        read_data_dir(tmp_path)


def fold_list(folder, path):
    return folds_of(read_data_dir(folder), FoldPlan(by="list", fold_list=str(path)), 0)


def listed(setting):
    def read(folder, path):
        return subset_data(folder, path.parent / "out", **{setting: path}).data.text

    return read


# Further files of words, and their readers: (content, reader of (data directory, path), lines that may hold anything).
OTHERS = {
    "fold list": ("jürgen 1\nzoë 2\n", fold_list),
    "speakers": ("jürgen\nzoë\n", listed("spk_list")),
    "utterances": ("jürgen-café-1\nzoë-café-1\n", listed("utt_list")),
    "map": ("é café\nï naïve\n", lambda folder, path: read_table(path, check_sorted=False)),
    "lexicon": ("café K A F E\nnaïve N A I V\n", lambda folder, path: read_lexicon(path)),
    "pronunciations": ("zoë\tK A | F é\nzoë2\tA\n", lambda folder, path: read_pronunciations(path)),
    "ratings": ("zoë A é 1 2\n".replace(" ", "\t").replace("A\té\t1\t", "A é\t1 "), lambda folder, path: read_ratings(path).by_utt),
    "ratings by place": ("zoë\t0\t1\nzoë\t1\t2\n", lambda folder, path: read_ratings(path).by_utt),
}  # fmt: skip


@pytest.mark.parametrize(("text", "read"), OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("damage", [*HARMLESS.values(), *REFUSED.values()], ids=[*HARMLESS, *REFUSED])
def test_every_list_says_the_same_or_is_refused(folder, tmp_path, text, read, damage):
    whole, other = tmp_path / "whole", tmp_path / "other"
    whole.write_bytes(text.encode())
    other.write_bytes(damage(text.encode()))
    expected = read(folder, whole)
    if damage in HARMLESS.values():
        assert read(folder, other) == expected
    else:
        with pytest.raises(DataError) as refused:
            read(folder, other)
        assert str(refused.value).startswith(f"{other}:") and "\n" not in str(refused.value)


@pytest.mark.parametrize("damage", ["mark", "mark in each line", "CRLF"])
def test_a_conf_file_says_the_same(tmp_path, damage):
    text = b"--num-states=8\n# comment\n--seed=1\n"
    (tmp_path / "a.conf").write_bytes(text)
    (tmp_path / "b.conf").write_bytes(HARMLESS[damage](text))
    assert (
        read_conf(tmp_path / "b.conf")
        == read_conf(tmp_path / "a.conf")
        == [(1, "--num-states", "8"), (3, "--seed", "1")]
    )


def test_a_conf_file_with_a_nul_is_refused_with_its_line(tmp_path):
    (tmp_path / "a.conf").write_bytes(b"--num-states=8\n--se\0ed=1\n")
    with pytest.raises(AsrkitError, match=r"a\.conf:2: holds U\+0000"):
        read_conf(tmp_path / "a.conf")


def test_phones_have_one_form_in_alignments(tmp_path):
    texts = {"ctm": "zoë 1 0 0.1 é\n", "phones.txt": "é 1\n"}
    found = []
    for form in ("NFC", "NFD"):
        for name, text in texts.items():
            (tmp_path / name).write_text(unicodedata.normalize(form, text), encoding="utf-8")
        found.append((read_ctm(tmp_path / "ctm"), read_phone_table(tmp_path / "phones.txt")))
    assert found[0] == found[1]


def test_phones_tsv_has_one_form(tmp_path):
    found = []
    for form in ("NFC", "NFD"):
        text = unicodedata.normalize(form, "utt\tidx\tphone\tloglik\nzoë\t0\té\t-1\n")
        (tmp_path / "phones.tsv").write_text(text, encoding="utf-8")
        scores = read_scores(tmp_path, ("loglik",))
        found.append((scores.rows, scores.phones("zoë")))
    assert found[0] == found[1] == ({"zoë": [0]}, ("é",))


def test_words_given_in_python_have_one_form():
    refs, hyps, _ = texts_by_utt({"zo\u00eb": "caf\u00e9"}, {"zoe\u0308": "cafe\u0301"})
    assert refs == hyps
    with pytest.raises(DataError, match="twice"):
        texts_by_utt({"zo\u00eb": "a", "zoe\u0308": "b"}, {})
    with pytest.raises(DataError, match="it should be one word"):
        texts_by_utt({"a": "yes\u200b"}, {})


def test_words_of_a_dict_of_recordings_have_one_form():
    sounds = [np.random.default_rng(seed).normal(0, 0.1, 4000) for seed in range(2)]
    settings = {"rate_hz": 8000, "family": "gmm", "num_gauss": 1, "warps": ""}
    models = [asrkit.train({word: sounds, "b": sounds}, **settings) for word in ("caf\u00e9", "cafe\u0301")]
    assert models[0].words == models[1].words == ("b", "caf\u00e9")
    assert models[0].vocabulary.data_hash == models[1].vocabulary.data_hash
    with pytest.raises(DataError, match="'café' twice"):
        asrkit.train({"caf\u00e9": sounds, "cafe\u0301": sounds}, **settings)


def test_words_of_a_model_file_have_one_form(folder, tmp_path):
    train(folder, tmp_path, TrainingSettings.of("gmm", num_gauss=1, warps=""))
    vocabulary = read_model(tmp_path)
    apart_of = {word: unicodedata.normalize("NFD", word) for word in WORDS}
    models = {apart_of[word]: model for word, model in vocabulary.models.items()}
    write_model(tmp_path / "old.npz", dataclasses.replace(vocabulary, words=tuple(models), models=models))
    assert read_model(tmp_path / "old.npz").words == tuple(read_model(tmp_path / "old.npz").models) == WORDS


def test_joiners_are_letters(tmp_path):
    (tmp_path / "text").write_text("a \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645\n", encoding="utf-8")
    assert "\u200c" in read_data_dir(tmp_path).text["a"]


def test_composed_keys_stand_in_the_order_of_a_file_that_was_composed_already(tmp_path):
    for form in ("NFD", "NFC"):
        lines = sorted(unicodedata.normalize(form, line).encode() for line in ("zé yes", "zf no"))
        (tmp_path / "text").write_bytes(b"".join(line + b"\n" for line in lines))
        assert list(read_table(tmp_path / "text").items()) == [("zf", "no"), ("zé", "yes")]
