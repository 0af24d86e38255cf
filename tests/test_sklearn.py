"""asrkit.sklearn: estimators in scikit-learn's company, and the errors of `crossval` on the same folds."""

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from command import asrkit as command
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import Pipeline, make_pipeline
from synthetic import RATE_HZ, word_samples, write_words

import asrkit
from asrkit import families
from asrkit.errors import AsrkitError, SettingsError
from asrkit.io.archive import read_scp
from asrkit.io.features import read_kind
from asrkit.io.files import read_table
from asrkit.sklearn import InputError, Mfcc, WordClassifier

SMALL = {
    "gmm": {"num_gauss": 2},
    "dhmm": {"num_states": 3, "codebook_size": 8},
    "chmm": {"num_states": 3, "num_gauss": 1},
    "schmm": {"num_states": 3, "num_gauss": 4, "method": "both"},
    "dtw": {},
}


def small(**settings):
    return WordClassifier(**{"num_states": 3, "num_gauss": 1, "delta_order": 0, **settings})


def sequences(dims=2, count=12):
    """Sequences of different lengths that rise or fall, in turn."""
    rng = np.random.default_rng(0)
    return [
        np.linspace(start, -start, length)[:, None] + rng.normal(0, 0.3, (length, dims))
        for start, length in zip((2, -2) * count, rng.integers(15, 30, count))
    ]


X, Y, GROUPS = sequences(), ["fall", "rise"] * 6, np.repeat(["amy", "bob", "cid"], 4)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """data: three speakers say two words three times."""
    top = tmp_path_factory.mktemp("world")
    write_words(
        top / "wavs", "{word}_{speaker}_{take}.wav", ("one", "two"), ("anna", "bert", "carl"), range(3)
    )
    command("prepare-wavs", top / "wavs", top / "data", "--pattern", "{word}_{speaker}_{index}")
    command("compute-mfcc", top / "data", "--sample-frequency=8000")
    return top


@pytest.fixture(scope="module")
def stored(world):
    """X, y, groups of it, and its kind of features."""
    data = asrkit.read_data(world / "data")
    feats = dict(read_scp(data.feats, base=data.path))
    assert list(feats) == list(data.text)
    speakers = np.array([data.speaker(utt) for utt in feats])
    return list(feats.values()), list(data.text.values()), speakers, read_kind(data.path / "frontend.conf")


@pytest.mark.parametrize("family", SMALL)
@pytest.mark.bytes
def test_the_errors_of_crossval_on_the_same_folds(world, stored, family):
    feats, words, speakers, kind = stored
    found = asrkit.crossval(world / "data", family=family, folds=3, **SMALL[family])
    fold_of = {speaker: i for i, fold in enumerate(found.folds) for speaker in fold["speakers"]}
    folds = PredefinedSplit([fold_of[speaker] for speaker in speakers])
    estimator = WordClassifier(family, features=kind, **SMALL[family])
    assert cross_val_predict(estimator, feats, words, cv=folds).tolist() == list(found.hyps.values())
    rates = cross_val_score(estimator, feats, words, groups=speakers, cv=LeaveOneGroupOut())
    assert sorted(round((1 - rate) * 6) for rate in rates) == sorted(fold["errors"] for fold in found.folds)


@pytest.mark.bytes
def test_speakers_are_normalised_as_by_crossval(world, stored, tmp_path):
    feats, words, speakers, kind = stored
    settings = {**SMALL["chmm"], "cmvn": "speaker", "norm_vars": True}
    found = asrkit.crossval(world / "data", tmp_path, family="chmm", folds=3, **settings)
    scores = dict(read_scp(read_table(tmp_path / "scores.scp")))
    order = list(scores)
    for train, test in LeaveOneGroupOut().split(feats, words, speakers):
        model = WordClassifier("chmm", features=kind, **settings)
        model.fit([feats[i] for i in train], [words[i] for i in train], groups=speakers[train])
        heard = model.decision_function([feats[i] for i in test], groups=speakers[test])
        rows = np.array([scores[order[i]] for i in test])
        np.testing.assert_allclose(heard, rows[:, 1] - rows[:, 0], rtol=1e-5)
        assert model.predict([feats[i] for i in test], groups=speakers[test]).tolist() == [
            found.hyps[order[i]] for i in test
        ]
    whole = cross_val_score(
        model, feats, words, groups=speakers, cv=LeaveOneGroupOut(), params={"groups": speakers}
    )
    assert whole.shape == (3,)


def test_speakers_are_remembered(world, stored):
    """All that X holds of a speaker counts, whatever the order; without groups each is alone."""
    feats, words, speakers, kind = stored
    model = WordClassifier("chmm", features=kind, cmvn="map", **SMALL["chmm"]).fit(feats, words)
    turned = list(range(len(feats)))[::-1]
    heard = model.decision_function(feats, groups=speakers)
    again = model.decision_function([feats[i] for i in turned], groups=speakers[turned])
    np.testing.assert_allclose(again[::-1], heard, rtol=1e-9)
    alone = model.decision_function(feats)
    np.testing.assert_allclose(model.decision_function(feats, groups=range(len(feats))), alone, rtol=1e-9)
    assert not np.isclose(heard, alone).any()


@pytest.mark.bytes
def test_a_fitted_model_is_the_command_s(world, stored, tmp_path):
    feats, words, speakers, kind = stored
    command("train", world / "data", tmp_path / "exp", "--family=chmm", "--num-states=3", "--num-gauss=1")
    expected = asrkit.load(tmp_path / "exp").vocabulary
    for jobs in (None, 2):
        model = WordClassifier("chmm", features=kind, n_jobs=jobs, **SMALL["chmm"]).fit(feats, words)
        assert model.recognizer_.words == expected.words and model.recognizer_.frontend == expected.frontend
        for word, own in model.recognizer_.vocabulary.models.items():
            for name, array in own.to_arrays().items():
                np.testing.assert_array_equal(array, expected.models[word].to_arrays()[name])
    path = world / "wavs" / "one_anna_0.wav"
    heard = model.recognizer_.recognize(path, endpoint=False)  # it hears recordings, too
    expected = asrkit.load(tmp_path / "exp").recognize(path, endpoint=False)
    # without groups nobody is known, so that recordings were held out, not speakers
    assert replace(heard, confidence=None, posteriors={}) == replace(expected, confidence=None, posteriors={})
    sure = model.recognizer_.vocabulary.confidence
    assert sure.folds == "recordings" and not sure.spread  # of speakers, whom nobody knows


def test_scores_and_probabilities():
    three = [*Y[:-3], "still", "still", "still"]
    for labels in (Y, three):
        model = small().fit(X, labels)
        scores, posteriors = model.decision_function(X), model.predict_proba(X)
        np.testing.assert_allclose(posteriors.sum(axis=1), 1)
        assert (model.classes_[posteriors.argmax(axis=1)] == model.predict(X)).all()
        recognizer = model.recognizer_
        feats = recognizer.frontend.model_features([x.astype(np.float32) for x in X], [None] * len(X))
        whole = np.array([list(recognizer.score(own).scores.values()) for own in feats])
        expected = whole[:, 1] - whole[:, 0] if labels is Y else whole
        np.testing.assert_allclose(scores, expected, rtol=1e-5)  # the recogniser's are in float32
        assert model.score(X, labels) == np.mean(model.predict(X) == labels)
    forward = small(score_method="forward").fit(X, Y)
    assert (forward._scores(X, None) >= small().fit(X, Y)._scores(X, None)).all()


def test_probabilities_say_how_often_it_is_right():
    """On sequences that are hard to tell apart; likelihoods of frames that are no strangers to each other promise far too much."""
    rng = np.random.default_rng(3)

    def hard(count):
        """Three classes of nearly one mean; all frames of a sequence are off by the same."""
        labels = np.arange(count) % 3
        return [0.4 * own + rng.normal(0, 0.4) + rng.normal(0, 0.3, (20, 2)) for own in labels], labels

    X, y = hard(180)
    others, truth = hard(300)
    brier = {}
    for calibrate in (True, False):
        model = small(num_states=1, calibrate=calibrate, cmvn="none").fit(X, y, groups=np.arange(180) // 12)
        found = model.predict_proba(others)
        np.testing.assert_allclose(found.sum(axis=1), 1)
        assert (found.argmax(axis=1) == model.predict(others)).all()
        brier[calibrate] = ((found - np.eye(3)[truth]) ** 2).sum(axis=1).mean()
        right = (found.argmax(axis=1) == truth).mean()
        if calibrate:
            assert abs(found.max(axis=1).mean() - right) < 0.1
    assert 0.3 < right < 0.8 and brier[True] < brier[False] - 0.1


def test_sequences_without_a_path():
    short = [X[0][:2], *X]
    model = small(num_states=6).fit(X, Y)
    assert model.decision_function(short)[0] == 0
    np.testing.assert_array_equal(model.predict_proba(short)[0], [0.5, 0.5])
    with pytest.raises(InputError, match=r"X\[0\] has 2 frames, it should have more"):
        model.predict(short)
    with pytest.raises(InputError, match=r"skipped 1 \(X\[0\]: 2 frames < 6 states\)"):
        small(num_states=6, method="baum-welch").fit(short, ["fall", *Y])


@pytest.mark.parametrize("labels", [
    [3, 20] * 6, [-1.0, 1.0] * 6, [False, True] * 6, ["a b", "c"] * 6, ["", "é"] * 6, np.array(Y, dtype=object), tuple(Y),
    list(range(11)) + [10],
], ids=repr)  # fmt: skip
def test_classes_of_any_kind_keep_their_order(labels):
    model = small(covariance="diag", cmvn="none").fit(
        X, labels
    )  # which learn a class of one sequence by heart
    np.testing.assert_array_equal(model.classes_, np.unique(np.asarray(labels)))
    assert model.classes_.dtype == np.asarray(labels).dtype
    assert set(model.predict(X)) <= set(model.classes_) and model.score(X, labels) > 0.8
    assert list(model.recognizer_.words) == sorted(model.recognizer_.words)


def test_sequences_in_any_holder():
    expected, same_length = small().fit(X, Y), [x[:15] for x in X]
    ragged = np.empty(len(X), dtype=object)
    ragged[:] = X
    holders = [
        tuple(X),
        ragged,
        [x.tolist() for x in X],
        [np.asfortranarray(x) for x in X],
        [x.astype(">f8") for x in X],
    ]
    for held in holders:
        np.testing.assert_array_equal(
            small().fit(held, Y).decision_function(held), expected.decision_function(X)
        )
    cut = small().fit(same_length, Y).decision_function(same_length)
    for held in (np.array(same_length), np.array(same_length, dtype=object)):
        np.testing.assert_array_equal(small().fit(held, Y).decision_function(held), cut)


def test_clone_copies_parameters_and_pickle_the_fitted():
    model = small(num_states=4, cmvn="speaker", n_jobs=1)
    assert clone(model).get_params() == model.get_params()
    assert model.get_params()["num_states"] == 4 and "max_iters" not in model.get_params()
    assert repr(WordClassifier(num_states=4)) == "WordClassifier(num_states=4)"
    model.fit(X, Y, groups=GROUPS)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.decision_function(X, GROUPS), model.decision_function(X, GROUPS))
    assert not hasattr(clone(model), "classes_")
    with pytest.raises(NotFittedError):
        clone(model).predict(X)
    before = model.decision_function(X)
    np.testing.assert_array_equal(model.fit(X, Y, groups=GROUPS).decision_function(X), before)


def test_a_fit_that_fails_leaves_the_model_as_it_was():
    model = small().fit(X, Y)
    before = model.predict(X)
    with pytest.raises(InputError):
        model.set_params(num_states=6).fit([X[0][:2], *X], ["up", *["down", "up"] * 6])
    np.testing.assert_array_equal(model.predict(X), before)


def test_set_params_takes_another_family():
    model = small().set_params(family="dhmm", codebook_size=4, num_gauss=1)
    with pytest.raises(SettingsError, match="num_gauss=: no setting of dhmm"):
        model.fit(X, Y)
    model = WordClassifier().set_params(codebook_size=4, family="dhmm", delta_order=0).fit(X, Y)
    assert model.recognizer_.family == "dhmm" and model.recognizer_.vocabulary.codebook.size == 4


def test_no_setting_hides_a_method():
    """Settings are attributes: a family whose setting is called `fit` would break the estimator."""
    for estimator in (WordClassifier(), Mfcc()):
        assert not estimator._known() & set(dir(type(estimator)))
        assert not estimator._known() & set(estimator._signature)
    known = {name for family in families.names() for name in SMALL[family]}
    assert known <= WordClassifier()._known()


def test_grid_search_with_speakers_as_groups():
    grid = {"num_states": np.arange(2, 4), "cmvn": ["none", "utterance"], "tol": [np.float32(0.01)]}
    search = GridSearchCV(small(), grid, cv=LeaveOneGroupOut()).fit(X, Y, groups=GROUPS)
    assert search.n_splits_ == 3 and search.best_score_ == 1 and search.best_estimator_.score(X, Y) == 1
    with pytest.warns(Warning, match="fits failed|non-finite"):
        search = GridSearchCV(small(), {"num_states": [0, 3]}, cv=GroupKFold(3)).fit(X, Y, groups=GROUPS)
    assert search.best_params_ == {"num_states": 3}


@pytest.mark.parametrize("scoring", ["accuracy", "roc_auc", "neg_log_loss", "f1_macro"])
def test_scorers(scoring):
    found = cross_val_score(small(), X, Y, groups=GROUPS, cv=GroupKFold(3), scoring=scoring)
    if scoring == "neg_log_loss":  # eight recordings promise no certainty
        assert (-0.2 < found).all() and (found < 0).all()
    else:
        np.testing.assert_allclose(found, 1, atol=1e-6)


def test_groups_are_routed_where_it_is_asked_for():
    import sklearn

    with sklearn.config_context(enable_metadata_routing=True):
        model = small(cmvn="speaker").set_fit_request(groups=True)
        found = cross_val_score(model, X, Y, cv=LeaveOneGroupOut(), params={"groups": GROUPS})
    assert found.tolist() == [1, 1, 1]


def test_pipelines_of_recordings(world):
    paths = sorted(map(str, (world / "wavs").glob("*.wav")))
    words = [path.rpartition("/")[2].split("_")[0] for path in paths]
    speakers = [path.split("_")[-2] for path in paths]
    mfcc = Mfcc(sample_rate_hz=RATE_HZ)
    pipeline = make_pipeline(mfcc, WordClassifier("gmm", features=mfcc.kind, num_gauss=1))
    search = GridSearchCV(pipeline, {"wordclassifier__warps": ["", "0.9,1.1"]}, cv=GroupKFold(3))
    search.fit(paths, words, groups=speakers)
    assert search.best_score_ > 0.9 and search.predict(paths[:1]) == words[:1]
    pairs = [asrkit.read_audio(path) for path in paths]
    arrays = [samples for samples, _ in pairs]
    files = clone(pipeline).fit(paths, words).predict_proba(paths)
    np.testing.assert_array_equal(clone(pipeline).fit(pairs, words).predict_proba(pairs), files)
    pipeline.set_params(mfcc__rate_hz=RATE_HZ)
    np.testing.assert_array_equal(clone(pipeline).fit(arrays, words).predict_proba(arrays), files)
    again = pickle.loads(pickle.dumps(clone(pipeline).fit(paths, words)))
    np.testing.assert_array_equal(again.predict_proba(paths), files)


def test_a_pipeline_remembers_features(tmp_path):
    sounds = [word_samples(word, np.random.default_rng(i)) for i in range(4) for word in ("one", "two")]
    steps = [("mfcc", Mfcc(rate_hz=RATE_HZ, num_ceps=6)), ("words", small())]
    pipeline = Pipeline(steps, memory=str(tmp_path)).fit(sounds, ["one", "two"] * 4)
    assert pipeline.score(sounds, ["one", "two"] * 4) == 1


def test_mfcc(world):
    path = world / "wavs" / "one_anna_0.wav"
    samples, rate_hz = asrkit.read_audio(path)
    (expected,) = Mfcc(sample_rate_hz=RATE_HZ).transform([path])
    stored = dict(read_scp(read_table(world / "data" / "feats.scp"), base=world / "data"))
    np.testing.assert_array_equal(expected, stored["anna-one-0"])
    for mfcc, held in ((Mfcc(rate_hz=RATE_HZ), [samples]), (Mfcc(rate_hz=RATE_HZ), [(samples, rate_hz)])):
        np.testing.assert_array_equal(mfcc.fit_transform(held)[0], expected)
    assert Mfcc().kind.rate_hz == 16000 and Mfcc(rate_hz=44100).kind.rate_hz == 16000
    assert Mfcc(rate_hz=44100, sample_rate_hz=22050).kind.rate_hz == 22050
    assert (
        Mfcc(rate_hz=8000, kind_name="fbank", num_mel_bins=np.int64(9)).transform([samples])[0].shape[1] == 9
    )
    assert clone(Mfcc(rate_hz=8000, num_ceps=5)).get_params() == {
        "rate_hz": 8000, "kind_name": "mfcc", "n_jobs": None, "num_ceps": 5,
    }  # fmt: skip


def fit(feats, labels=Y, groups=None, **settings):
    return small(**settings).fit(feats, labels, groups=groups)


def predict(feats, groups=None):
    return small().fit(X, Y).predict(feats, groups=groups)


def hear(recordings, **settings):
    return Mfcc(**settings).fit_transform(recordings)


# What is called, with what, and how the refusal begins.
REFUSED = {
    "None": (fit, [None], "X is None (NoneType), it should be a list of (frames, dims) arrays"),
    "text": (fit, ["X"], "X is 'X' (str), it should be a list"),
    "dict": (fit, [{0: X[0]}], "X is {0: "),
    "set": (fit, [{1}], "X is {1} (set)"),
    "generator": (fit, [(x for x in X)], "X is <generator"),
    "empty": (fit, [[]], "X is empty"),
    "one sequence": (fit, [X[0]], f"X has shape {X[0].shape}, it should be a list of (frames, dims) arrays: [X] if this"),
    "one to predict": (predict, [X[0]], f"X has shape {X[0].shape}, it should be"),
    "vector": (fit, [np.zeros(3)], "X has shape (3,)"),
    "ragged": (fit, [[[[1, 2], [3]]] * 12], "X[0] is [[1, 2], [3]] (list), it should be one of (frames, dims) arrays"),
    "vectors": (fit, [[x[:, 0] for x in X]], f"X[0] has shape ({len(X[0])},), it should be a numpy array of floats (frames"),
    "widths": (fit, [[*X[:3], np.zeros((9, 3))]], "X[3] has shape (9, 3), it should be a numpy array of floats (frames, 2)"),
    "width": (predict, [[np.zeros((9, 3))]], "X[0] has shape (9, 3), it should be a numpy array of floats (frames, 2)"),
    "NaN": (fit, [[X[0], X[1] * np.nan]], f"X[1]: {len(X[1])} of {len(X[1])} frames hold NaN or infinite values"),
    "huge": (fit, [[X[0], X[1] * 1e300]], f"X[1]: {len(X[1])} of {len(X[1])} frames hold NaN or infinite values"),
    "no frames": (fit, [[X[0], X[1][:0]]], "X[1]: no frames"),
    "no dims": (fit, [[np.zeros((9, 0))]], "X[0]: frames without any dimension"),
    "texts": (fit, [["a.wav"] * 12], "X[0] is an array of <U5"),
    "bools": (fit, [[x > 0 for x in X]], "X[0] is an array of bool"),
    "masked": (fit, [[np.ma.masked_array(x) for x in X]], "X[0] is masked_array"),
    "objects": (fit, [[np.array([[None]])] * 12], "X[0]: 1 of 1 frames hold NaN"),
    "y None": (fit, [X, None], "y is None (NoneType), it should have 12 entries, one for each sequence of X"),
    "y short": (fit, [X, Y[:5]], "y has 5 entries, it should have 12, one for each sequence of X"),
    "y column": (fit, [X, [[label] for label in Y]], "y is [['fall'], "),
    "y NaN": (fit, [X, [1.0, np.nan] * 6], "y[1] is nan, it should be known"),
    "y holes": (fit, [X, [None, "a"] * 6], "y[0] is None, it should be known"),
    "y continuous": (fit, [X, np.linspace(0, 1, 12)], "y is array([0."),
    "y mixed": (fit, [X, np.array([1, "a"] * 6, dtype=object)], "y is array([1, "),
    "groups short": (fit, [X, Y, ["amy"]], "groups has 1 entries, it should have 12"),
    "groups holes": (fit, [X, Y, [None] * 12], "groups[0] is None, it should be known"),
    "groups later": (predict, [X, ["amy"]], "groups has 1 entries, it should have 12"),
    "family": (fit, [X, {"family": "cnn"}], "family='cnn' is none of chmm, "),
    "families": (fit, [X, {"family": ["gmm"]}], "family=['gmm'] is none of"),
    "misspelt": (fit, [X, {"num_stats": 3}], "num_stats=: no parameter of WordClassifier (did you mean num_states?)"),
    "a method": (fit, [X, {"predict": 3}], "predict=: no parameter of WordClassifier"),
    "none": (fit, [X, {"num_states": 0}], "num_states=0 is less than 1"),
    "bool": (fit, [X, {"num_states": True}], "num_states=True is no int"),
    "scoring": (fit, [X, {"score_method": "baum-welch"}], "score_method='baum-welch' is none of viterbi, forward"),
    "kind": (fit, [X, {"features": "mfcc"}], "features='mfcc' is no FeatureKind, such as Mfcc().kind"),
    "other kind": (fit, [X, {"features": Mfcc().kind}], "X[0] has 2 dims, it should have the 13 of features="),
    "jobs": (fit, [X, {"n_jobs": 0}], "n_jobs=0 is neither None nor a whole number but 0"),
    "jobs, text": (fit, [X, {"n_jobs": "2"}], "n_jobs='2' is neither"),
    "hear None": (hear, [None], "X is None (NoneType), it should be a list of recordings"),
    "hear a path": (hear, ["a.wav"], "X is 'a.wav' (str), it should be a list of recordings"),
    "hear samples": (hear, [np.zeros(9), {"rate_hz": 8000}], "X[0] is np.float64(0.0) (float64), it should be a path, a"),
    "hear bytes": (hear, [[b"a.wav"]], "X[0] is b'a.wav' (bytes), it should be a path"),
    "hear nothing": (hear, [["no.wav"]], "no.wav: cannot be read"),
    "hear silence": (hear, [[np.zeros(8000)], {"rate_hz": 8000}], "X[0]: silent (check the microphone)"),
    "hear little": (hear, [[np.ones(50) - np.arange(50) / 50], {"rate_hz": 8000}], "X[0]: 0.006 s, shorter than one window"),
    "no rate": (hear, [[np.ones(8000)]], "rate_hz is None (NoneType), it should be the samples a second"),
    "rate": (hear, [[np.ones(8000)], {"rate_hz": "8000"}], "rate_hz is '8000' (str)"),
    "no kind": (hear, [["a.wav"], {"kind_name": "ssl"}], "kind_name='ssl' is none of fbank, mfcc"),
    "no setting": (hear, [["a.wav"], {"num_cepz": 3}], "num_cepz=: no parameter of Mfcc (did you mean num_ceps?)"),
    "setting": (hear, [["a.wav"], {"num_ceps": 99}], "num_ceps=99 must be from 1 to num_mel_bins=23"),
    "hear with jobs": (hear, [["a.wav"], {"n_jobs": 1.5}], "n_jobs=1.5 is neither"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_and_why(case):
    function, arguments, message = REFUSED[case]
    settings = arguments[-1] if len(arguments) > 1 and isinstance(arguments[-1], dict) else {}
    with pytest.raises(AsrkitError) as refused:
        function(*(arguments[:-1] if settings else arguments), **settings)
    assert str(refused.value).startswith(message) and "\n" not in str(refused.value)
    assert isinstance(refused.value, ValueError)  # as users of scikit-learn expect


TABLE = "gives X as a table (samples, features): a sequence is a table by itself"
MESSAGE = "wants words about tables in the message of the error"
KEYWORDS = (
    "sets a parameter called `settings`: further settings are keywords, and an unknown one is refused at once"
)
# The checks of scikit-learn that fail, and why.
UNAVOIDABLE = {
    **dict.fromkeys(
        """check_classifier_data_not_an_array check_classifiers_classes check_classifiers_one_label check_classifiers_train
        check_decision_proba_consistency check_dict_unchanged check_dont_overwrite_parameters check_dtype_object
        check_estimators_dtypes check_estimators_fit_returns_self check_estimators_overwrite_params check_estimators_pickle
        check_f_contiguous_array_estimator check_fit2d_predict1d check_fit_check_is_fitted check_fit_idempotent
        check_fit_score_takes_y check_methods_sample_order_invariance check_methods_subset_invariance check_n_features_in
        check_n_features_in_after_fitting check_pipeline_consistency check_positive_only_tag_during_fit
        check_readonly_memmap_input check_supervised_y_2d""".split(),
        TABLE,
    ),
    **dict.fromkeys(
        """check_classifiers_regression_target check_complex_data check_estimator_sparse_array check_estimator_sparse_matrix
        check_estimator_sparse_tag check_estimators_empty_data_messages check_estimators_nan_inf check_fit2d_1feature
        check_fit2d_1sample check_requires_y_none""".split(),
        MESSAGE,
    ),
    "check_do_not_raise_errors_in_init_or_set_params": KEYWORDS,
}


def failing(estimator):
    """Names of the checks that an estimator fails: scikit-learn skips them all for one that takes no tables."""
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(estimator, on_fail=None, on_skip=None)
    assert len(found) > 40
    return {one["check_name"] for one in found if one["status"] == "failed"}


class TakesTables(WordClassifier):
    """The classifier, of which scikit-learn believes that it takes tables."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class OfRows(TakesTables):
    """The classifier of sequences of one frame each: the rows of a table."""

    def fit(self, X, y):
        from sklearn.utils.validation import validate_data

        X, y = validate_data(self, X, y)
        return super().fit([row[None] for row in X], y)

    def _judged(self, X, groups):
        from sklearn.utils.validation import check_is_fitted, validate_data

        check_is_fitted(self)
        return super()._judged([row[None] for row in validate_data(self, X, reset=False)], groups)


@pytest.fixture
def checks():
    pytest.importorskip("sklearn", "1.6", reason="an older check_estimator stops at the first failure")


def test_only_what_sequences_make_unavoidable_fails(checks):
    assert failing(TakesTables("gmm")) <= set(UNAVOIDABLE)


def test_rows_taken_for_sequences_pass_all_of_these(checks):
    assert failing(OfRows("gmm")) == {name for name, reason in UNAVOIDABLE.items() if reason == KEYWORDS}


def test_scikit_learn_passes_over_the_estimators_themselves(checks):
    from sklearn.utils.estimator_checks import check_estimator

    for estimator in (WordClassifier(), Mfcc()):
        with pytest.warns(Warning, match="Can't test estimator"):
            assert [one["status"] for one in check_estimator(estimator)] == ["passed"]  # it can be cloned
