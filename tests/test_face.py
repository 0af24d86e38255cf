"""What `import asrkit` brings: its names, at no cost, each explained."""

import importlib
import inspect
import operator
import re
import subprocess
import sys

import pytest

import asrkit
from asrkit.sklearn import Mfcc, WordClassifier

NAMES = """load train adapt crossval cluster teach forget merge Recognizer Hypothesis Speaker Vocabulary FrontEnd read_audio read_data find_speech score_errors
PronunciationScorer families study AsrkitError""".split()
FUNCTIONS = [name for name in NAMES if inspect.isfunction(getattr(asrkit, name))]
FUNCTIONS += [
    f"study.{name}" for name in asrkit.study.__all__ if inspect.isfunction(getattr(asrkit.study, name))
]
METHODS = [
    (kind, name)
    for kind in (
        asrkit.Recognizer,
        asrkit.Speaker,
        asrkit.FrontEnd,
        asrkit.PronunciationScorer,
        WordClassifier,
        Mfcc,
    )
    for name, held in vars(kind).items()
    if callable(getattr(held, "__func__", held)) and not name.startswith("_")
]


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_names():
    assert sorted(asrkit.__all__) == sorted(NAMES) and set(NAMES) <= set(dir(asrkit))
    for name in NAMES:
        assert getattr(asrkit, name) is not None
    space = {}
    exec("from asrkit import *", space)
    assert set(NAMES) <= set(space)
    with pytest.raises(AttributeError, match="'asrkit' has no attribute 'recognise'"):
        _ = asrkit.recognise


def test_a_name_is_the_same_wherever_it_comes_from():
    assert asrkit.AsrkitError is importlib.import_module("asrkit.errors").AsrkitError
    assert asrkit.load is importlib.import_module("asrkit.workflows.recognizer").load
    assert asrkit.families is importlib.import_module("asrkit.families")


def test_importing_loads_nothing():
    run("import asrkit, sys; assert 'numpy' not in sys.modules; assert asrkit.__version__")
    loaded = run(
        "import sys; before = set(sys.modules); import asrkit; print(*set(sys.modules) - before)"
    ).split()
    assert len(loaded) < 30 and not {"typing", "logging", "json"} & set(loaded), loaded
    # One that needs none of the heavy ones does not load them.
    run("import asrkit, sys; asrkit.AsrkitError; asrkit.families.names(); assert 'numpy' not in sys.modules")
    assert run("import asrkit, sys; asrkit.train; print('sklearn' in sys.modules)") == "False\n"


def test_importing_takes_no_time():
    code = "import time; start = time.process_time(); import asrkit; print(time.process_time() - start)"
    assert min(float(run(code)) for _ in range(5)) < 0.06


def documented(doc, section):
    """The names that a section of numpydoc lists."""
    found = re.search(rf"^{section}\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", doc, flags=re.DOTALL | re.MULTILINE)
    if found is None:
        return []
    heads = [line.split(" : ")[0] for line in found[1].splitlines() if line and not line.startswith(" ")]
    return [name.strip("* ") for head in heads for name in head.split(",")]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_explained_with_an_example(name):
    doc = inspect.getdoc(getattr(asrkit, name))
    assert re.match(r"[A-Z][^\n]{10,}\.(\n|$)", doc) and "\nExamples\n--------\n" in doc and ">>> " in doc


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_say_what_they_take_give_and_raise(name):
    function = operator.attrgetter(name)(asrkit)
    doc, parameters = inspect.getdoc(function), inspect.signature(function).parameters
    assert documented(doc, "Parameters") == list(parameters)
    assert "\nReturns\n-------\n" in doc and "Error" in "".join(documented(doc, "Raises"))


@pytest.mark.parametrize("kind, name", METHODS, ids=lambda value: getattr(value, "__name__", value))
def test_methods_say_what_they_take(kind, name):
    method = getattr(kind, name)
    doc, parameters = inspect.getdoc(method), list(inspect.signature(method).parameters)
    assert re.match(r"[A-Z][^\n]{10,}\.?", doc)
    listed = documented(doc, "Parameters")
    assert set(listed) <= set(parameters)
    if listed:
        assert listed == [name for name in parameters if name != "self"]


def test_every_public_function_is_annotated():
    for name in FUNCTIONS:
        signature = inspect.signature(operator.attrgetter(name)(asrkit))
        assert signature.return_annotation is not inspect.Signature.empty
        assert all(own.annotation is not inspect.Parameter.empty for own in signature.parameters.values())
