"""How a command starts: it imports what it uses, and its libraries come up with one thread."""

import json
import subprocess
import sys

import pytest
from command import MFCC, asrkit
from synthetic import write_words

# What costs a hundredth of the start and more, and neither `decode` nor `recognize` has a use for, though others have.
UNUSED = """
asrkit.words.adaptation asrkit.words.learning asrkit.words.listener asrkit.words.memory asrkit.words.teaching
asrkit.words.settings asrkit.models.codebook asrkit.io.store asrkit.io.durations asrkit.workflows.train asrkit.workflows.stream
asrkit.audio.word_detector asrkit.features.kinds.ssl asrkit.features.kinds.fbank asrkit.families.gmm asrkit.families.dtw
threadpoolctl joblib concurrent.futures multiprocessing scipy kaldiio difflib numpy.ma
""".split()
UNUSED_BY = {
    "decode": "asrkit.audio.endpoint asrkit.audio.level asrkit.io.audio asrkit.words.warped asrkit.workflows.hypothesis subprocess",
    "recognize": "asrkit.workflows.decode asrkit.io.data_dir asrkit.io.features",
}
TELL_MODULES = "import sys; print(*sys.modules)"
TELL_THREADS = "import json, threadpoolctl; print(json.dumps([own['num_threads'] for own in threadpoolctl.threadpool_info()]))"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A model, recordings of its words, and their features."""
    top = tmp_path_factory.mktemp("world")
    write_words(top / "wavs", "{word}_{speaker}_{take}.wav", words=("one", "two"), takes=range(2))
    asrkit("prepare-wavs", top / "wavs", top / "data", "--pattern={word}_{speaker}_{index}")
    asrkit("compute-mfcc", top / "data", *MFCC)
    asrkit("train", top / "data", top / "exp", "--family=chmm", "--num-states=3", "--num-gauss=1", "--warps=")
    return top


def words_of(name, world):
    own = {
        "decode": [world / "exp", world / "data", world / "out"],
        "recognize": [world / "exp", world / "wavs" / "one_anna_0.wav"],
    }[name]
    return [name, *map(str, own)]


def told_after(argv, tell):
    """The last line that a fresh process writes, which runs a command and then some Python."""
    code = f"import asrkit.cli.main; assert asrkit.cli.main.main({argv}) == 0\n{tell}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", UNUSED_BY)
def test_a_command_imports_what_it_uses(world, name):
    loaded = told_after(words_of(name, world), TELL_MODULES).split()
    assert "asrkit.words.decoding" in loaded and "numpy" in loaded
    assert sorted({*UNUSED, *UNUSED_BY[name].split()} & {*loaded}) == []


def test_few_recordings_start_no_other_process(world):
    loaded = told_after(["compute-mfcc", str(world / "data"), *MFCC, "--nj=2"], TELL_MODULES).split()
    assert "asrkit.features.kinds.mfcc" in loaded and sorted({"joblib", "multiprocessing"} & {*loaded}) == []


def test_a_report_is_drawn_without_librosa(world):
    out = world / "exp" / "decode_test"
    asrkit("decode", world / "exp", world / "data", out)
    asrkit("score", world / "data", out)
    loaded = told_after(["report", *map(str, (world / "report", world / "data", out))], TELL_MODULES).split()
    assert (world / "report" / "alignment.png").exists()
    assert sorted({"librosa", "numba", "scipy"} & {*loaded}) == []


def test_libraries_of_a_command_have_one_thread(world, monkeypatch):
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(variable, "4")
    numbers = json.loads(told_after(words_of("decode", world), TELL_THREADS))
    assert set(numbers) <= {1}
