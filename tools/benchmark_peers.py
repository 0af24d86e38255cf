"""The peers that pip installs: hmmlearn, scikit-learn, kaldi-hmm-gmm, sequentia, pocketsphinx. All are
optional.

hmmlearn gets what it needs to do well: left-right models, a uniform segmentation as the start, standardised
features, the implementation "scaling" where it has one, exactly the iterations asked for.
"""

import contextlib
import importlib
import importlib.metadata
import logging
import warnings

import numpy as np
from benchmark_bare import WordParameters

PACKAGES = ("hmmlearn", "scikit-learn", "kaldi-hmm-gmm", "sequentia", "pocketsphinx")
MODULES = {"scikit-learn": "sklearn", "kaldi-hmm-gmm": "kaldi_hmm_gmm"}
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPOKEN = {
    **{str(number): word for number, word in enumerate(DIGITS)},
    **{word: word for word in DIGITS},
    "O": "oh",
    "Z": "zero",
    "oh": "oh",
}
SYMBOL_FLOOR = 1e-5  # asrkit's own, given to the peer's symbol tables for the test words


def missing(package):
    """Why a package can't take part, or None."""
    try:
        importlib.import_module(MODULES.get(package, package))
    except ImportError:
        return "not installed (pip install -e '.[bench]')"
    return None


def versions():
    """The peers that are there: `hmmlearn 0.3.3`. Nothing is imported, which for all of them takes seconds."""
    found = []
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append(f"{package} {importlib.metadata.version(package)}")
    return found


class Standardised:
    """Features on the scale on which the training has mean 0 and variance 1."""

    def __init__(self, by_word):
        frames = np.concatenate([array for arrays in by_word.values() for array in arrays]).astype(np.float64)
        self.mean, self.scale = frames.mean(axis=0), frames.std(axis=0)

    def __call__(self, array):
        return (array - self.mean) / self.scale

    def of(self, by_word):
        return {word: [self(array) for array in arrays] for word, arrays in by_word.items()}


def uniform_parts(arrays, states):
    """The frames of each state when every utterance is cut into equal parts."""
    state = np.concatenate([np.arange(len(array)) * states // len(array) for array in arrays])
    frames = np.concatenate(arrays)
    return [frames[state == s] if (state == s).any() else frames for s in range(states)]


def left_right(states):
    start = np.eye(states)[0]
    trans = np.eye(states) * 0.5 + np.eye(states, k=1) * 0.5
    trans[-1, -1] = 1.0
    return start, trans


def fit(model, arrays):
    """Baum-Welch as many times as the model says; hmmlearn's remarks on convergence are not wanted here."""
    logging.getLogger("hmmlearn").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(np.concatenate(arrays), [len(array) for array in arrays])


def gaussian_hmm(arrays, states, iterations):
    """A trained hmmlearn GaussianHMM."""
    from hmmlearn.hmm import GaussianHMM

    model = GaussianHMM(
        states, "diag", n_iter=iterations, tol=-np.inf, params="tmc", init_params="", implementation="scaling"
    )
    model.startprob_, model.transmat_ = left_right(states)
    parts = uniform_parts(arrays, states)
    model.means_ = np.stack([part.mean(axis=0) for part in parts])
    model.covars_ = np.stack([part.var(axis=0) + 1e-3 for part in parts])
    return fit(model, arrays)


def gmm_hmm(arrays, states, gauss, iterations):
    """A trained hmmlearn GMMHMM; the Gaussians of a state start on both sides of its mean."""
    from hmmlearn.hmm import GMMHMM

    model = GMMHMM(
        states,
        gauss,
        covariance_type="diag",
        n_iter=iterations,
        tol=-np.inf,
        params="tmcw",
        init_params="",
        implementation="scaling",
    )
    model.startprob_, model.transmat_ = left_right(states)
    parts = uniform_parts(arrays, states)
    spread = np.linspace(-0.2, 0.2, gauss)[:, None]
    model.means_ = np.stack([part.mean(axis=0) + spread * part.std(axis=0) for part in parts])
    model.covars_ = np.stack([np.tile(part.var(axis=0) + 1e-3, (gauss, 1)) for part in parts])
    model.weights_ = np.full((states, gauss), 1 / gauss)
    return fit(model, arrays)


def categorical_hmm(arrays, states, symbols, iterations):
    """A trained hmmlearn CategoricalHMM over int codes."""
    from hmmlearn.hmm import CategoricalHMM

    model = CategoricalHMM(
        states,
        n_features=symbols,
        n_iter=iterations,
        tol=-np.inf,
        params="te",
        init_params="",
        implementation="scaling",
    )
    model.startprob_, model.transmat_ = left_right(states)
    counts = np.stack([np.bincount(part, minlength=symbols) for part in uniform_parts(arrays, states)]) + 1e-3
    model.emissionprob_ = counts / counts.sum(axis=1, keepdims=True)
    return fit(model, [array[:, None] for array in arrays])


def floor_symbols(model):
    """No symbol impossible: a test word may hold one that its own word never showed in training."""
    probs = np.maximum(model.emissionprob_, SYMBOL_FLOOR)
    model.emissionprob_ = probs / probs.sum(axis=1, keepdims=True)
    return model


def sequentia_hmm(arrays, states, gauss, iterations):
    """The same through sequentia, with its own random start; it takes hmmlearn's GMMHMM for any number of
    Gaussians.
    """
    from sequentia.models.hmm import GaussianMixtureHMM

    options = {
        "n_iter": iterations,
        "tol": -np.inf,
        "init_params": "stmcw",
        "params": "stmcw",
        "implementation": "scaling",
    }
    model = GaussianMixtureHMM(
        n_states=states,
        n_components=gauss,
        covariance="diag",
        topology="linear",
        random_state=0,
        hmmlearn_kwargs=options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(np.concatenate(arrays), lengths=np.array([len(array) for array in arrays])).model


def word_parameters(model, mean=0.0, scale=1.0):
    """A hmmlearn model's parameters, counted back to frames that are not standardised."""
    if hasattr(model, "emissionprob_"):
        return WordParameters(model.startprob_, model.transmat_, probs=model.emissionprob_)
    if hasattr(model, "weights_"):
        arrays = model.weights_, model.means_, model.covars_
    else:
        arrays = np.ones((len(model.means_), 1)), model.means_[:, None], model._covars_[:, None]
    return WordParameters(model.startprob_, model.transmat_, None, *arrays).unscaled(mean, scale)


def with_parameters(parameters):
    """A hmmlearn model with given parameters: GaussianHMM for one Gaussian a state, otherwise GMMHMM."""
    from hmmlearn.hmm import GMMHMM, GaussianHMM

    states, gauss = parameters.weights.shape
    if gauss == 1:
        model = GaussianHMM(states, "diag", init_params="", implementation="scaling")
        model.n_features = parameters.means.shape[-1]
        model.means_, model.covars_ = parameters.means[:, 0], parameters.variances[:, 0]
    else:
        model = GMMHMM(states, gauss, covariance_type="diag", init_params="", implementation="scaling")
        model.n_features = parameters.means.shape[-1]
        model.means_, model.covars_, model.weights_ = (
            parameters.means,
            parameters.variances,
            parameters.weights,
        )
    model.startprob_, model.transmat_ = parameters.start, parameters.trans
    return model


def scores(models, arrays):
    """Every utterance under every word's model: (U, W)."""
    return np.array([[model.score(array) for model in models.values()] for array in arrays])


def sklearn_step(start, frames, covariance):
    """One EM iteration of scikit-learn's GaussianMixture from given parameters: a function that gives new
    ones.
    """
    from sklearn.mixture import GaussianMixture

    weights, means, spread = start
    model = GaussianMixture(len(weights), covariance_type=covariance)

    def step():
        model.weights_, model.means_, model.covariances_ = weights, means, spread
        model.precisions_cholesky_ = (
            1 / np.sqrt(spread)
            if covariance == "diag"
            else np.linalg.inv(np.linalg.cholesky(spread)).swapaxes(-1, -2)
        )
        _, log_resp = model._e_step(frames)
        model._m_step(frames, log_resp)
        return model.weights_, model.means_, model.covariances_

    return step


def kaldi_step(start, frames):
    """The same with Kaldi's own AccumDiagGmm and update through kaldi-hmm-gmm: float32, a call a frame."""
    import kaldi_hmm_gmm as kaldi

    weights, means, variances = (np.asarray(array, dtype=np.float32) for array in start)
    options = kaldi.MleDiagGmmOptions(min_gaussian_occupancy=1.0, remove_low_count_gaussians=False)
    flags = int(kaldi.str_to_gmm_flags("mvw"))

    def step():
        gmm = kaldi.DiagGmm(*means.shape)
        gmm.set_weights(weights)
        gmm.set_invvars_and_means(1 / variances, means)
        gmm.compute_gconsts()
        model, sums = kaldi.AmDiagGmm(), kaldi.AccumAmDiagGmm()
        model.add_pdf(gmm)
        sums.init(model, flags)
        for frame in frames:
            sums.accumulate_for_gmm(model, frame, 0, 1.0)
        kaldi.mle_am_diag_gmm_update(options, sums, flags, model)
        new = model.get_pdf(0)
        return np.array(new.weights), np.array(new.means), np.array(new.vars)

    return step


def pocketsphinx_words(wavs, words):
    """Recognise 8 kHz recordings with the pocketsphinx wheel, its own US English model and a grammar of
    single words.

    Parameters
    ----------
    wavs : dict of utt to path
    words : list of str
        All in SPOKEN.

    Returns
    -------
    dict of utt to word
    """
    import soundfile
    import soxr
    from pocketsphinx import Config, Decoder

    decoder = Decoder(Config(samprate=16000, lm=None, loglevel="FATAL"))
    spoken = sorted({SPOKEN[word] for word in words})
    decoder.add_jsgf_string("words", f"#JSGF V1.0; grammar words; public <word> = {' | '.join(spoken)};")
    decoder.activate_search("words")
    word_of = {SPOKEN[word]: word for word in words}
    out = {}
    for utt, path in wavs.items():
        samples, rate = soundfile.read(path, dtype="float32")
        pcm = (soxr.resample(samples, rate, 16000) * 32767).clip(-32768, 32767).astype("<i2").tobytes()
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        out[utt] = word_of.get(found.hypstr.strip()) if found is not None else None
    return out
