"""Training, decoding and EM in process against hmmlearn, scikit-learn, kaldi-hmm-gmm, sequentia and the
floor.
"""

from dataclasses import replace

import benchmark_asrkit as asrkit
import benchmark_data as data
import benchmark_peers as peers
import benchmark_processes as processes
import numpy as np
from benchmark_bare import WordParameters, decoding_floor, em_floor, log_density, log_sum, per_frame
from benchmark_timing import Contestant, compete

STATES, SYMBOLS, ITERATIONS = 8, 256, 10
SUBSET_FRAMES = 4_000  # for a peer that needs minutes for all of them
FLOOR = 1 / 2.5  # asrkit may take two and a half times the bare arithmetic in float32
EM_TARGETS = ((32, "diag", 5.0), (128, "diag", 5.0), (8, "full", 4.0))


def train_chmm_two(corpus, options):
    """Eight states of two diagonal Gaussians."""
    rows = compete(
        "train-chmm-8x2",
        [
            *asrkit_trainings(corpus, "chmm", corpus.by_word, num_states=STATES, num_gauss=2),
            *gmm_hmm(corpus, options),
        ],
        options.repeats,
        options.full,
    )
    return rows + processes.train(corpus, options)


def train_chmm_one(corpus, options):
    """Eight states of one diagonal Gaussian."""
    standard = peers.Standardised(corpus.by_word)
    by_word = standard.of(corpus.by_word)

    def train():
        return {word: peers.gaussian_hmm(arrays, STATES, ITERATIONS) for word, arrays in by_word.items()}

    def quality(models):
        return peer_quality(corpus, corpus.by_word, models, standard)

    return compete(
        "train-chmm-8x1",
        [
            *asrkit_trainings(corpus, "chmm", corpus.by_word, num_states=STATES, num_gauss=1),
            Contestant(
                "hmmlearn GaussianHMM (scaling)", train, quality, 3.0, missing=peers.missing("hmmlearn")
            ),
            sequentia(corpus, options),
        ],
        options.repeats,
        options.full,
    )


def train_dhmm(corpus, options):
    """Eight states over 256 symbols; the codes are made before, the same for both."""
    by_word, test = codes(corpus)

    def train():
        return {
            word: peers.categorical_hmm(arrays, STATES, SYMBOLS, ITERATIONS)
            for word, arrays in by_word.items()
        }

    def quality(models):
        score = per_frame({word: peers.word_parameters(model) for word, model in models.items()}, by_word)
        floored = {word: peers.floor_symbols(model) for word, model in models.items()}
        wrong = count_errors(test, list(models), lambda x: peers.scores(floored, [a[:, None] for a in x]))
        return f"{score:.3f} a frame, {wrong}"

    return compete(
        "train-dhmm",
        [
            *asrkit_trainings(corpus, "dhmm", by_word, test, num_states=STATES, num_symbols=SYMBOLS),
            Contestant(
                "hmmlearn CategoricalHMM (scaling)",
                train,
                quality,
                2.5,
                missing=peers.missing("hmmlearn"),
                against="asrkit, baum-welch",
            ),
        ],
        options.repeats,
        options.full,
    )


def asrkit_trainings(corpus, family, by_word, test=None, **settings):
    """asrkit's methods, its default first; half the iterations at each number of Gaussians where there are
    two.
    """
    blocks = asrkit.blocks(by_word)
    iterations = ITERATIONS if settings.get("num_gauss", 1) == 1 else ITERATIONS // 2

    def contestant(method):
        def quality(result):
            models, passes = result
            score = per_frame(parameters(models), by_word)
            wrong = count_errors(test or corpus.test_utterances, list(models), asrkit.scorer(family, models))
            return f"{score:.3f} a frame, {wrong}, {passes} passes"

        def call():
            return asrkit.train(family, blocks, method, iterations, **settings)

        note = ", the default" if method == asrkit.DEFAULT_METHOD else ""
        return Contestant(f"asrkit, {method}{note}", call, quality, warm_up=True)

    return [contestant(method) for method in asrkit.METHODS]


def parameters(models):
    return {word: WordParameters.of_logs(asrkit.hmm_arrays(model)) for word, model in models.items()}


def count_errors(utterances, words, score):
    """`2 of 110 test words wrong`: by the system's own scores."""
    best = score([feats for _, _, feats in utterances]).argmax(axis=1)
    wrong = sum(words[index] != word for index, (_, word, _) in zip(best, utterances, strict=True))
    return f"{wrong} of {len(utterances)} test words wrong"


def peer_quality(corpus, by_word, models, standard):
    """The same of hmmlearn's models of `by_word`; where that is a part of the training, no errors, but asrkit
    on that part.
    """
    score = per_frame(
        {word: peers.word_parameters(m, standard.mean, standard.scale) for word, m in models.items()}, by_word
    )
    if by_word is corpus.by_word:
        wrong = count_errors(
            corpus.test_utterances, list(models), lambda x: peers.scores(models, [standard(a) for a in x])
        )
        return f"{score:.3f} a frame, {wrong}"
    gauss = (
        next(iter(models.values())).means_.shape[1] if hasattr(next(iter(models.values())), "weights_") else 1
    )
    ours, _ = asrkit.train(
        "chmm", asrkit.blocks(by_word), "baum-welch", ITERATIONS // gauss, num_states=STATES, num_gauss=gauss
    )
    return (
        f"{score:.3f} a frame (asrkit, baum-welch, on this part: {per_frame(parameters(ours), by_word):.3f})"
    )


def part_for_slow(corpus, full):
    """All words, or some utterances of one; by what the seconds are to be multiplied, and a note that says
    so.
    """
    if full or len(corpus.frames) <= SUBSET_FRAMES:
        return corpus.by_word, 1.0, ""
    word, arrays = next(iter(corpus.by_word.items()))
    last = int(np.searchsorted(np.cumsum([len(array) for array in arrays]), SUBSET_FRAMES)) + 1
    scale = len(corpus.frames) / sum(map(len, arrays[:last]))
    return (
        {word: arrays[:last]},
        scale,
        f", {len(arrays[:last])} utterances of '{word}', seconds times {scale:.3g}",
    )


def gmm_hmm(corpus, options):
    """hmmlearn's GMMHMM, which needs minutes for all words, with its library's threads and with one."""
    name, gone = "hmmlearn GMMHMM", peers.missing("hmmlearn")
    if gone:
        return [Contestant(name, missing=gone)]
    by_word, scale, note = part_for_slow(corpus, options.full)
    standard = peers.Standardised(corpus.by_word)
    part = standard.of(by_word)

    def train():
        return {word: peers.gmm_hmm(arrays, STATES, 2, ITERATIONS) for word, arrays in part.items()}

    def quality(models):
        return peer_quality(corpus, by_word, models, standard)

    return both_ways(Contestant(name, train, quality, 60.0, scale), note)


def sequentia(corpus, options):
    """sequentia's model, which is hmmlearn's GMMHMM for any number of Gaussians; one BLAS thread, its better
    way.
    """
    name, gone = "sequentia GaussianMixtureHMM, its own start", peers.missing("sequentia")
    if gone:
        return Contestant(name, missing=gone)
    by_word, scale, note = part_for_slow(corpus, options.full)
    standard = peers.Standardised(corpus.by_word)
    part = standard.of(by_word)

    @asrkit.one_thread
    def train():
        return {word: peers.sequentia_hmm(arrays, STATES, 1, ITERATIONS) for word, arrays in part.items()}

    return Contestant(
        name + note, train, lambda models: peer_quality(corpus, by_word, models, standard), None, scale
    )


def both_ways(contestant, note=""):
    """With the library's own number of BLAS threads, and with one, which is quicker on small products or a
    busy machine.
    """
    if contestant.missing is not None:
        return [contestant]
    own = replace(contestant, system=f"{contestant.system}, its own threads{note}")
    one = replace(
        contestant,
        system=f"{contestant.system}, one BLAS thread{note}",
        call=asrkit.one_thread(contestant.call),
    )
    return [own, one]


def codes(corpus):
    """Codes of a 256-vector codebook: of the training by word, of the test as (utt, word, codes)."""
    import kaldiio

    exp, log = corpus.work / "codebook", corpus.work / "codebook.log"
    if not (exp / "codebook.npz").exists():
        data.run(
            asrkit.command(
                "train-codebook",
                corpus.train,
                exp,
                "--codebook-size",
                SYMBOLS,
                "--codebook-streams",
                1,
                "--warps=",
                *corpus.feature_options,
            ),
            log,
        )
    utterances = {}
    for part, folder in (("train", corpus.train), ("test", corpus.test)):
        out = corpus.work / f"codes_{part}"
        if not (out / "codes.scp").exists():
            data.run(asrkit.command("quantize", exp, folder, out), log)
        table = kaldiio.load_scp(str(out / "codes.scp"))
        utterances[part] = [(utt, word, table[utt]) for utt, word in data.read_table(folder / "text").items()]
    return data.group(utterances["train"]), utterances["test"]


# --- decoding ---


def decode(corpus, options):
    """In process against hmmlearn and the floor, then whole processes against pocketsphinx_batch."""
    utterances = asrkit.read_utterances(corpus.decoded, corpus.delta_order)
    rows = []
    for gauss in (1, 2):
        models, _ = asrkit.train(
            "chmm", asrkit.blocks(corpus.by_word), "viterbi", 3, num_states=STATES, num_gauss=gauss
        )
        rows += decode_in_process(utterances, models, gauss, options)
    return rows + processes.decode(corpus, options) + processes.decode_english(corpus, options)


def decode_in_process(utterances, models, gauss, options):
    """Every utterance under every word; hmmlearn has the same parameters, so its errors differ by the exit
    and the sum alone.
    """
    arrays, words = [feats for _, _, feats in utterances], list(models)
    frames, num_gauss = np.concatenate(arrays), sum(model.num_gauss for model in models.values())
    score = asrkit.scorer("chmm", models)

    def quality(part):
        return lambda scores: count_errors(part, words, lambda _: scores).replace("test words", "words")

    contestants = [
        Contestant("asrkit", lambda: score(arrays), quality(utterances), warm_up=True),
        decode_peer(utterances, models, gauss, quality),
    ]
    for dtype, target in ((np.float64, None), (np.float32, FLOOR)):
        floor = asrkit.one_thread(decoding_floor(frames, num_gauss, dtype))
        contestants.append(
            Contestant(
                f"floor, {dtype.__name__}: a product, exponentials", floor, target=target, warm_up=True
            )
        )
    task = (
        f"decode-{STATES}x{gauss}, in process: {len(arrays)} words, {len(frames)} frames, {len(words)} models"
    )
    return compete(task, contestants, options.repeats, options.full)


def decode_peer(utterances, models, gauss, quality):
    """hmmlearn's score(), utterance by utterance, word by word; of GMMHMM a part."""
    name, gone = (
        f"hmmlearn {'GaussianHMM' if gauss == 1 else 'GMMHMM'}, the same parameters",
        peers.missing("hmmlearn"),
    )
    if gone:
        return Contestant(name, missing=gone)
    part = utterances if gauss == 1 else utterances[:: max(1, len(utterances) // 100)]
    scale = sum(len(feats) for _, _, feats in utterances) / sum(len(feats) for _, _, feats in part)
    note = "" if len(part) == len(utterances) else f", {len(part)} words, seconds times {scale:.3g}"
    theirs = {word: peers.with_parameters(p) for word, p in parameters(models).items()}
    wide = [feats.astype(np.float64) for _, _, feats in part]
    return Contestant(
        name + note, lambda: peers.scores(theirs, wide), quality(part), 10.0 if gauss == 1 else None, scale
    )


# --- one EM iteration ---


def gmm_em(corpus, options):
    """One EM iteration of one mixture over all training frames, all from the same parameters."""
    frames, rows = corpus.frames, []
    for gauss, covariance, target in EM_TARGETS:
        start, wide = em_start(frames, gauss, covariance), frames.astype(np.float64)

        def quality(result):
            return f"{log_sum(log_density(wide, *result)).mean():.5f} a frame after it"  # noqa: B023, used before the next turn

        gone = peers.missing("scikit-learn")
        step = None if gone else peers.sklearn_step(start, wide, covariance)
        contestants = [
            Contestant("asrkit", asrkit.em_step(start, frames, covariance), quality, warm_up=True),
            *both_ways(Contestant("scikit-learn GaussianMixture", step, quality, target, missing=gone)),
        ]
        if covariance == "diag":
            gone = peers.missing("kaldi-hmm-gmm")
            step = None if gone else peers.kaldi_step(start, frames)
            contestants.append(
                Contestant("kaldi-hmm-gmm AccumDiagGmm, a call a frame", step, quality, missing=gone)
            )
        for dtype in (np.float64, np.float32):
            floor = asrkit.one_thread(em_floor(frames, gauss, covariance, dtype))
            contestants.append(
                Contestant(f"floor, {dtype.__name__}: two products, exponentials", floor, warm_up=True)
            )
        task = f"gmm-em, {len(frames)} x {frames.shape[1]}, {gauss} Gaussians, {covariance}"
        rows += compete(task, contestants, options.repeats, options.full)
    return rows


def em_start(frames, gauss, covariance):
    """Frames drawn by chance as means, the data's own spread, equal weights."""
    chosen = np.random.default_rng(0).choice(len(frames), gauss, replace=len(frames) < gauss)
    spread = (
        frames.var(axis=0, dtype=np.float64) if covariance == "diag" else np.cov(frames.T.astype(np.float64))
    )
    return np.full(gauss, 1 / gauss), frames[chosen].astype(np.float64), np.stack([spread] * gauss)
