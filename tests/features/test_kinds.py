"""One contract for every file in asrkit/features/kinds, and for one that a test adds; and features that hold deltas already."""

import dataclasses
import importlib
import pickle
import sys
from pathlib import Path

import kaldiio
import numpy as np
import pytest
from command import asrkit
from synthetic import RATE_HZ, WORDS, word_samples, write_words

import asrkit as package
from asrkit.cli import main as cli
from asrkit.config import flag_name, from_dict
from asrkit.errors import DataError, SettingsError
from asrkit.features import kind as kinds
from asrkit.features.frontend import FrontEnd
from asrkit.features.kind import FeatureKind
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.kinds.mfcc import MfccConfig, compute_mfcc
from asrkit.features.transform import TransformConfig, apply_cmvn, cmvn_stats, compute_deltas, count_deltas
from asrkit.io.archive import read_matrix, read_scp, write_archive
from asrkit.io.features import KIND, features_of_arrays, format_kind, kind_name, read_features, read_kind
from asrkit.io.files import read_table
from asrkit.io.model_file import read_model

COURSE = Path(__file__).parents[3] / "shared" / "data" / "ASR_Course" / "03-GMM-EM"

# A kind as somebody might add it: nothing else of asrkit knows it.
TOY = '''"""Band energies: the logarithm of the power in some bands, every 10 ms."""

from dataclasses import dataclass

import numpy as np

from asrkit.config import check_fields, option
from asrkit.features.kind import FeatureKind


@dataclass(frozen=True)
class Energy(FeatureKind):
    title = "band energy"
    command = "compute-energy"

    sample_rate_hz: int = option(8000, "rate that recordings are resampled to", flag="sample-frequency", minimum=100)
    bands: int = option(6, "bands of equal width", minimum=1)
    note: str = option("", "for people")
    labels = ("note",)
    frame_shift_s = 0.01

    def __post_init__(self):
        check_fields(self)

    @property
    def rate_hz(self):
        return self.sample_rate_hz

    @property
    def dim(self):
        return self.bands

    def compute(self, samples):
        hop = self.sample_rate_hz // 100
        frames = samples[: len(samples) // hop * hop].reshape(-1, hop)
        power = np.abs(np.fft.rfft(frames)) ** 2 + 1e-9
        parts = [part.sum(axis=1) for part in np.array_split(power, self.bands, axis=1)]
        return np.log(np.stack(parts, axis=1)).astype(np.float32)
'''


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The folder of kinds is two folders, the second with one new file."""
    from asrkit.features import kinds as room

    folder = tmp_path_factory.mktemp("kinds")
    (folder / "energy.py").write_text(TOY)
    room.__path__.append(str(folder))
    importlib.invalidate_caches()
    yield kinds.load("energy")
    room.__path__.remove(str(folder))
    sys.modules.pop("asrkit.features.kinds.energy", None)
    kinds.load.cache_clear()


# Something else than the defaults.
SETTINGS = {
    "mfcc": {"sample_rate_hz": 8000, "num_ceps": 5, "use_energy": False},
    "fbank": {"sample_rate_hz": 8000, "num_mel_bins": 7, "use_energy": True},
    "ssl": {"ssl_model": "tiny", "ssl_weights": "0" * 64, "layer": 3},
    "energy": {"bands": 3, "note": "mine"},
}


@pytest.fixture(params=[*kinds.names(), "energy"])
def name(request, toy):
    return request.param


@pytest.fixture
def one(name):
    return kinds.load(name)(**SETTINGS.get(name, {}))


def test_names():
    assert kinds.names() == sorted(kinds.names()) and {"mfcc", "fbank", "ssl", "given"} <= set(kinds.names())
    with pytest.raises(SettingsError, match="features='plp' is none of .*mfcc"):
        kinds.load("plp")


def test_every_member_is_there_and_of_its_type(name, one):
    assert isinstance(one, FeatureKind) and type(one) is kinds.load(name) and one.name == name
    assert isinstance(one.title, str) and one.title
    assert one.command is None or isinstance(one.command, str)
    assert isinstance(one.hears, bool)
    fields = {field.name for field in dataclasses.fields(one)}
    assert isinstance(one.labels, tuple) and set(one.labels) <= fields
    assert one.rate_hz is None or type(one.rate_hz) is int
    assert one.frame_shift_s is None or type(one.frame_shift_s) is float
    assert one.dim is None or type(one.dim) is int
    if one.hears:
        assert None not in (one.rate_hz, one.frame_shift_s, one.dim), "what recordings need to be heard"
    assert isinstance(one.describe(), str) and one.describe() and "\n" not in one.describe()
    assert "<" not in one.describe(), "words, not an object's address"


def test_it_is_a_frozen_set_of_options(one):
    assert hash(one) == hash(dataclasses.replace(one)) and one == pickle.loads(pickle.dumps(one))
    for field in dataclasses.fields(one):
        assert field.metadata["help"]
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(one, field.name, field.default)
        for value in (None, object()):
            with pytest.raises(SettingsError, match=field.name):
                dataclasses.replace(one, **{field.name: value})


def test_it_makes_features_or_says_why_not(one):
    samples = word_samples("one", np.random.default_rng(0))
    if not one.hears:
        with pytest.raises(DataError, match="the model was trained on"):
            one.compute(samples)
        with pytest.raises(DataError, match="the model was trained on"):
            FrontEnd(3, one, TransformConfig()).check_hears()
        return
    kept = samples.copy()
    samples.flags.writeable = False
    feats = one.compute(samples)
    assert feats.dtype == np.float32 and feats.shape[1] == one.dim and np.isfinite(feats).all()
    assert abs(len(feats) - len(samples) / one.rate_hz / one.frame_shift_s) < 5
    np.testing.assert_array_equal(one.compute(kept), feats)
    np.testing.assert_array_equal(samples, kept)
    for few in (0, 1, 10):
        assert one.compute(samples[:few]).shape == (0, one.dim)
    model_feats = FrontEnd(one.dim, one, TransformConfig(delta_order=1)).features(samples, endpoint=False)
    assert model_feats.shape == (len(feats), 2 * one.dim)


def test_warping_is_a_matrix_or_nothing(one):
    same, other = one.warp_matrix(1.0), one.warp_matrix(1.1)
    assert (same is None) == (other is None)
    if same is not None:
        np.testing.assert_allclose(same, np.eye(one.dim), atol=1e-9)
        assert other.shape == (one.dim, one.dim) and np.abs(other - same).max() > 0.01


def test_front_end_of_it_survives_its_dict(name, one):
    own = FrontEnd(one.dim or 3, one, TransformConfig(cmvn="utterance"))
    values = own.to_dict()
    assert values["kind"] == name and FrontEnd.from_dict(values) == own
    with pytest.raises(SettingsError, match="unknown setting 'no_such'"):
        FrontEnd.from_dict({**values, "settings": {"no_such": 1}})


def test_frontend_conf_says_it(name, one, tmp_path):
    path = tmp_path / "frontend.conf"
    path.write_text(format_kind(one))
    assert path.read_text().splitlines()[0] == f"--kind={name}"
    assert read_kind(path) == one
    path.write_text(f"--kind={name}\n--no-such=1\n")
    with pytest.raises(DataError, match="frontend.conf:2: unknown setting --no-such"):
        read_kind(path)


def test_what_differs_is_named(name, one):
    assert one.differences(dataclasses.replace(one)) == []
    for field in dataclasses.fields(one):
        try:
            other = dataclasses.replace(one, **{field.name: next_value(field, getattr(one, field.name))})
        except SettingsError:
            continue
        expected = [] if field.name in one.labels else [f"{field.name} is "]
        assert [text[: len(expected[0])] for text in one.differences(other)] == expected
        own = FrontEnd(3, one, TransformConfig())
        assert (own.difference(3, other) is None) == (field.name in one.labels)


def next_value(field, value):
    choices = field.metadata["choices"]
    if choices:
        return choices[(choices.index(value) + 1) % len(choices)]
    if isinstance(value, bool):
        return not value
    return value + ("x" if isinstance(value, str) else 1)


def test_each_differs_from_all_others(name, one):
    own = FrontEnd(3, one, TransformConfig())
    assert own.difference(3, one) is None
    for other in (kinds.load(other) for other in kinds.names() if other != name):
        assert own.difference(3, other()) is not None


def test_its_command_takes_its_settings(name, one, capsys):
    if one.command is None:
        return
    assert one.command in cli.all_commands()
    with pytest.raises(SystemExit, match="0"):
        cli.main([one.command, "--help"])
    said = capsys.readouterr().out
    if one.hears:
        assert cli.kind_commands()[one.command][0] == name
        assert all(f"--{flag_name(field)} " in said for field in dataclasses.fields(one))


def test_the_command_list_is_found_without_importing(toy):
    """`asrkit --help` must stay quick: no kind is imported for it."""
    import subprocess

    program = (
        "import sys\nfrom asrkit.cli import main\nmain.all_commands()\n"
        "print(sorted(m for m in sys.modules if m.startswith('asrkit.features.kinds.')), 'numpy' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said == "[] False\n"


@pytest.mark.parametrize(
    ("statement", "command"),
    [
        ('command = "compute-x"', "compute-x"),
        ('command: ClassVar[str] = "compute-x"', "compute-x"),
        ("command = None", None),
        ("a, b = 1, 2\n    rate_hz = dim = None", None),
        ("self.command = 3", None),
        ("command: str", None),
        ("pass", None),
    ],
)
def test_commands_are_read_from_a_class_statement(statement, command):
    import ast

    (tree,) = ast.parse(f"class Kind:\n    {statement}\n").body
    assert cli.command_of(tree) == command


# frontend.conf


def test_an_old_frontend_conf_names_no_kind(tmp_path):
    path = tmp_path / "frontend.conf"
    assert read_kind(path) == GivenFeatures()
    path.write_text("--num-ceps=4\n# of an older asrkit\n--use-energy=false\n")
    assert read_kind(path) == MfccConfig(num_ceps=4, use_energy=False)
    path.write_text("--ssl-model=tiny\n--layer=3\n")
    assert read_kind(path) == kinds.load("ssl")(ssl_model="tiny", layer=3)
    assert kind_name({}) == "mfcc" and kind_name({KIND: "fbank", "--ssl-model": ""}) == "fbank"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--kind=plp\n", "frontend.conf: --kind=plp is none of "),
        ("--kind\n", "--kind=None is none of"),
        ("--num-ceps=x\n", "frontend.conf:1: --num-ceps: invalid int value"),
        ("--kind=fbank\n--num-ceps=4\n", "frontend.conf:2: unknown setting --num-ceps"),
        ("--num-ceps=99\n", "--num-ceps=99 must be from 1 to --num-mel-bins=23"),
        ("num-ceps=4\n", "is not of the form --key=value"),
    ],
)
def test_a_frontend_conf_that_is_none(text, message, tmp_path):
    (tmp_path / "frontend.conf").write_text(text)
    with pytest.raises(DataError) as caught:
        read_kind(tmp_path / "frontend.conf")
    assert message in str(caught.value)


# commands


@pytest.fixture(scope="module")
def world(tmp_path_factory, toy):
    """Recordings, and the data directory data/ of them."""
    top = tmp_path_factory.mktemp("world")
    write_words(top / "wavs", "{word}_{speaker}_{take}.wav", takes=range(3))
    asrkit("prepare-wavs", top / "wavs", top / "data", "--pattern", "{word}_{speaker}_{index}")
    return top


def copy(world, folder):
    asrkit("subset-data", world / "data", folder, "--utt-regex=.")
    return folder


HEARING = [name for name in [*kinds.names(), "energy"] if name in ("energy",) or kinds.load(name).hears]


@pytest.mark.parametrize("name", HEARING)
def test_its_frontend_conf_makes_the_same_features(world, toy, name, tmp_path):
    one = kinds.load(name)(**SETTINGS[name])
    flags = [
        f"--{flag_name(f)}={getattr(one, f.name)}"
        for f in dataclasses.fields(one)
        if f.name in SETTINGS[name]
    ]
    first, again = copy(world, tmp_path / "first"), copy(world, tmp_path / "again")
    asrkit(one.command, first, *flags)
    assert read_kind(first / "frontend.conf") == one
    asrkit(one.command, again, "--config", first / "frontend.conf")
    assert (again / "frontend.conf").read_bytes() == (first / "frontend.conf").read_bytes()
    for (utt, feats), (other, same) in zip(
        *(read_scp(read_table(d / "feats.scp")) for d in (first, again)), strict=True
    ):
        assert utt == other and feats.shape[1] == one.dim
        np.testing.assert_array_equal(feats, same)
    samples = word_samples("one", np.random.default_rng([0, sorted(WORDS).index("one"), 0]), 100)
    assert len(read_matrix(read_table(first / "feats.scp")["anna-one-0"])) == len(one.compute(samples))


def test_a_kind_that_is_one_new_file(world, toy, tmp_path, capsys):
    assert (
        "recordings -> feats.scp and arks: Band energies" in (said := cli.usage())
        and "compute-energy" in said
    )
    data, exp = copy(world, tmp_path / "data"), tmp_path / "exp"
    asrkit("compute-energy", data, "--bands=5")
    assert (data / "frontend.conf").read_text() == (
        "--kind=energy\n--sample-frequency=8000\n--bands=5\n--note=\n"
    )
    asrkit("train", data, exp, "--family=chmm", "--num-states=4", "--num-gauss=1", "--max-iters=5")
    assert "no warped copies to train on: band energy features can't be warped" in capsys.readouterr().err
    vocabulary = read_model(exp)
    assert vocabulary.frontend.kind == toy(bands=5) and vocabulary.frontend.model_dim == 15
    asrkit("decode", exp, data, tmp_path / "decode")
    hyps, words = read_table(tmp_path / "decode" / "hyp"), read_table(data / "text")
    assert sum(hyps[utt] != word for utt, word in words.items()) <= 2
    capsys.readouterr()
    wavs = sorted((world / "wavs").iterdir())
    asrkit("recognize", exp, *wavs, "--endpoint=false")
    for line in capsys.readouterr().out.splitlines():
        path, word, *_ = line.split()
        said, speaker, take = Path(path).stem.split("_")
        assert word == hyps[f"{speaker}-{said}-{take}"]
    asrkit("info", exp)
    assert (
        "features: dimension 5, band energy: sample_rate_hz 8000, bands 5, note ; cmvn map (tau 100)"
        in capsys.readouterr().out
    )


def test_a_new_kind_is_refused_by_others_models(world, toy, tmp_path, capsys):
    data, other = copy(world, tmp_path / "data"), copy(world, tmp_path / "other")
    asrkit("compute-energy", data)
    asrkit("compute-mfcc", other, "--sample-frequency=8000", "--num-ceps=6")
    for name, own, stranger in (("energy", data, other), ("mfcc", other, data)):
        asrkit("train", own, tmp_path / name, "--family=gmm", "--num-gauss=1", "--max-iters=2", "--warps=")
        asrkit("decode", tmp_path / name, stranger, tmp_path / "out", status=1)
        assert f"(asrkit compute-{name} DIR --like EXP)" in capsys.readouterr().err
    asrkit("compute-energy", data, "--note=another")
    asrkit("decode", tmp_path / "energy", data, tmp_path / "out")
    asrkit("compute-energy", data, "--bands=7")
    asrkit("decode", tmp_path / "energy", data, tmp_path / "out", status=1)
    assert "bands is 7, the model's is 6" in capsys.readouterr().err


def test_a_new_kind_from_python(toy):
    def takes(word):
        return [word_samples(word, np.random.default_rng([take, len(word)])) for take in range(5)]

    model = package.train(
        {word: takes(word) for word in ("one", "three")}, features="energy", bands=4, rate_hz=RATE_HZ,
        family="gmm", num_gauss=1, warps="",
    )  # fmt: skip
    assert model.frontend.kind == toy(bands=4)
    assert model.recognize(takes("three")[0], rate_hz=RATE_HZ, endpoint=False).word == "three"


def test_a_kind_that_lacks_what_it_must_say_is_none():
    class Silent(FeatureKind):
        title = "nothing"

    with pytest.raises(TypeError, match="abstract method"):
        Silent()
    assert from_dict(GivenFeatures, {}) == GivenFeatures()


# deltas that are there already


def speech(seed=0, num_ceps=13):
    word = list(WORDS)[seed % len(WORDS)]
    return compute_mfcc(
        word_samples(word, np.random.default_rng(seed)),
        MfccConfig(sample_rate_hz=RATE_HZ, num_ceps=num_ceps),
    )


def compressed(feats, method, folder):
    write_archive(folder / "feats.ark", folder / "feats.scp", [("utt", feats)], compression=method)
    ((_, found),) = read_scp(read_table(folder / "feats.scp"))
    assert np.abs(found - feats).max() > 0
    return found


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("order", [1, 2])
def test_deltas_are_counted(order, seed, tmp_path):
    feats = compute_deltas(speech(seed), order)
    assert feats.shape[1] == 13 * (order + 1) and count_deltas(feats) == order
    assert count_deltas(feats - feats.mean(axis=0)) == order
    assert count_deltas(apply_cmvn(feats, cmvn_stats(feats), norm_vars=True)) == order
    assert count_deltas(compute_deltas(apply_cmvn(speech(seed), cmvn_stats(speech(seed))), order)) == order
    assert count_deltas(feats[3:-5]) == order, "cut out of a longer utterance"
    noise = np.random.default_rng(seed).normal(size=feats.shape) * 0.05 * feats.std(axis=0)
    assert count_deltas(feats + noise) == order, "made once more with another dither"
    for method in (
        1,
        2,
        3,
        4,
        5,
    ):  # of 4 and 5 the steps are coarse: whole numbers, and 1/255 of the whole matrix
        found = compressed(feats, method, tmp_path)
        assert count_deltas(found) == order
        assert count_deltas(found - found.mean(axis=0)) == order


@pytest.mark.parametrize("length", [3, 4, 9, 10, 15, 16, 30])
@pytest.mark.parametrize("order", [1, 2])
def test_deltas_of_short_utterances_are_counted_together(order, length):
    parts = [compute_deltas(speech(seed)[5 : 5 + length], order) for seed in range(20)]
    lengths = [len(part) for part in parts]
    assert count_deltas(np.concatenate(parts), lengths=lengths) == order
    statics = [speech(seed, 12)[5 : 5 + length] for seed in range(20)]
    assert count_deltas(np.concatenate(statics), lengths=lengths) == 0
    rng = np.random.default_rng(length)
    for step in (0, 0.1, 1.0):
        noise = rng.normal(size=(sum(lengths), 39))
        assert count_deltas(np.round(noise / step) * step if step else noise, lengths=lengths) == 0


@pytest.mark.parametrize("factor", [1e-30, 1e-6, 1e6, 1e30])
def test_deltas_of_any_scale_and_of_constants(factor):
    feats = np.c_[np.full(28, -15.94), speech()[:28], np.full(28, 1e6)].astype(np.float32)
    whole = compute_deltas(feats) * np.float32(factor)
    assert not whole[:, [15, 29, 30, 44]].any(), "deltas of what is constant are 0"
    assert count_deltas(whole) == 2
    whole[:, 15] = np.float32(1e-6 * factor)  # as others' rounding leaves them
    assert count_deltas(whole) == 2
    assert count_deltas(compute_deltas(whole[:, :3])[:, [0, 1, 2, 3, 4, 5, 8, 7, 6]]) == 0


@pytest.mark.parametrize("window", [1, 2, 3, 4])
def test_deltas_of_each_window(window):
    feats = compute_deltas(speech(), 2, window)
    assert [count_deltas(feats, other) for other in (1, 2, 3, 4)] == [
        2 if other == window else 0 for other in (1, 2, 3, 4)
    ]


@pytest.mark.parametrize("seed", range(8))
def test_what_is_no_delta_is_not_counted(seed):
    rng = np.random.default_rng(seed)
    for dim in (2, 3, 4, 6, 24, 39):
        assert count_deltas(rng.normal(size=(50, dim)).astype(np.float32)) == 0
        assert count_deltas(np.cumsum(rng.normal(size=(50, dim)), axis=0).astype(np.float32)) == 0
    for num_ceps in (2, 3, 4, 6, 12, 13):
        assert count_deltas(speech(seed, num_ceps)) == 0
    samples = word_samples("one", rng)
    for bins in (12, 18, 24):
        assert (
            count_deltas(kinds.load("fbank")(sample_rate_hz=RATE_HZ, num_mel_bins=bins).compute(samples)) == 0
        )
    shuffled = compute_deltas(speech(seed))
    assert count_deltas(shuffled[:, rng.permutation(39)]) == 0
    assert count_deltas(np.zeros((50, 39), np.float32)) == 0
    assert count_deltas(shuffled[:5]) == 0, "too few frames to tell"


SAID = "the features hold deltas already (columns 14 to 39 are regressions of the first 13)"


def write_features(folder, make, utts=6):
    folder.mkdir()
    feats = {f"{word}{take}": make(take + 10 * len(word)) for word in ("no", "yes") for take in range(utts)}
    kaldiio.save_ark(str(folder / "feats.ark"), feats, scp=str(folder / "feats.scp"))
    (folder / "text").write_text("".join(f"{utt} {utt[:-1]}\n" for utt in feats))
    (folder / "utt2spk").write_text("".join(f"{utt} {utt}\n" for utt in feats))
    return folder


GMM = ["--family=gmm", "--num-gauss=1", "--max-iters=2", "--warps="]


@pytest.mark.parametrize("family", [GMM, ["--family=dhmm", "--num-states=2", "--max-iters=2", "--warps="]])
@pytest.mark.parametrize("window", [2, 3])
def test_train_warns_once_of_deltas_that_are_there(tmp_path, capsys, family, window):
    data = write_features(tmp_path / "data", lambda seed: compute_deltas(speech(seed)))
    asrkit("train", data, tmp_path / "exp", *family, f"--delta-window={window}")
    err = capsys.readouterr().err
    assert err.count(SAID) == 1 == err.count("hold deltas")
    assert "--delta-order 2 adds them once more: --delta-order 0 takes the features as they are" in err
    assert read_model(tmp_path / "exp").frontend.model_dim == 117
    asrkit("train", data, tmp_path / "exp0", *family, "--delta-order=0")
    assert "hold deltas" not in capsys.readouterr().err
    assert read_model(tmp_path / "exp0").frontend.model_dim == 39
    asrkit("decode", tmp_path / "exp", data, tmp_path / "decode")
    assert "hold deltas" not in capsys.readouterr().err, "what was trained so is decoded so"


@pytest.mark.parametrize("shorts", [1, 3, 12])
def test_train_warns_where_the_first_utterances_are_short(tmp_path, capsys, shorts):
    taken = iter(range(100))

    def make(seed):
        feats = speech(seed)
        return compute_deltas(feats[10:19] if next(taken) < shorts else feats)

    asrkit("train", write_features(tmp_path / "data", make), tmp_path / "exp", *GMM)
    assert SAID in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(2))
def test_train_keeps_silent_where_there_are_none(tmp_path, capsys, seed):
    makers = {
        "random": lambda own: np.random.default_rng([seed, own]).normal(size=(30, 39)).astype(np.float32),
        "cepstra": speech,
    }
    for name, make in makers.items():
        asrkit("train", write_features(tmp_path / name, make), tmp_path / "exp", *GMM)
        assert "hold deltas" not in capsys.readouterr().err


def test_arrays_are_looked_at_too(caplog):
    arrays = {f"utt{seed}": compute_deltas(speech(seed)) for seed in range(4)}
    for order in (0, 1):
        caplog.clear()
        features_of_arrays(
            arrays, dict.fromkeys(arrays, "no"), transform_config=TransformConfig(delta_order=order)
        )
        assert caplog.text.count(SAID) == order


@pytest.mark.skipif(not COURSE.exists(), reason=f"{COURSE} is not here")
@pytest.mark.parametrize("part", ["train", "test"])
def test_the_courses_features_hold_deltas(part, caplog):
    scp = read_table(COURSE / part / "feats.scp")
    for _, feats in read_scp(dict(list(scp.items())[::10]), base=COURSE / part):
        assert count_deltas(feats) == 2
    for order in (0, 2):
        caplog.clear()
        read_features(COURSE / part, transform_config=TransformConfig(delta_order=order))
        assert caplog.text.count(SAID) == (order > 0)


@pytest.mark.skipif(not COURSE.exists(), reason=f"{COURSE} is not here")
def test_train_warns_of_the_courses_features(tmp_path, capsys):
    for order in (0, 2):
        asrkit("train", COURSE / "train", tmp_path / "exp", *GMM, f"--delta-order={order}")
        assert capsys.readouterr().err.count(SAID) == (order > 0)
