"""Whole processes, held to one core: asrkit's commands against SphinxTrain, pocketsphinx_batch and the
pocketsphinx wheel.
"""

import functools

import benchmark_asrkit as asrkit
import benchmark_data as data
import benchmark_peers as peers
import benchmark_sphinx as sphinx
from benchmark_timing import Contestant, Failed, compete, measure

GAUSS, PASSES = 2, 6  # Gaussians a state; passes at each number of Gaussians
NARROW, TIMES = 1.1, 10  # least ratio with the narrowest beams; how often each word is heard where many are
STATES = sphinx.PHONES * sphinx.STATES


def sphinx_folder(corpus):
    """The peer's folder, ready to train; a reason instead where it can't."""
    if not corpus.recorded:
        return None, data.NO_RECORDINGS
    if gone := sphinx.missing():
        return None, gone
    folder = corpus.work / "sphinx"
    if not (folder / "train.sh").exists():
        decoded = corpus.decoded
        sphinx.prepare(
            folder,
            corpus.words,
            {
                "train": (data.read_table(corpus.train / "wav.scp"), data.read_table(corpus.train / "text")),
                "decoded": (data.read_table(decoded / "wav.scp"), data.read_table(decoded / "text")),
            },
        )
        sphinx.write_training(folder, GAUSS, PASSES)
        (folder / "decoded.sh").write_text(sphinx.features_script("decoded"), encoding="utf-8")
    return folder, None


def train(corpus, options):
    """Whole processes, nine states of two Gaussians, held to one core; from recordings and from features."""
    folder, gone = sphinx_folder(corpus)
    rows = []
    for source in ("from wav", "from features"):
        from_wav = source == "from wav"
        if from_wav and not corpus.recorded:
            continue
        rows += compete(
            f"train-chmm-9x2, processes on one core, {source}",
            [
                Contestant(
                    "asrkit compute-mfcc and train" if from_wav else "asrkit train",
                    lambda f=from_wav: asrkit_training(corpus, f),
                    lambda _: (
                        f"{PASSES} iterations at each size, {decoded_errors(corpus, asrkit_hypotheses(corpus))}"
                    ),
                ),
                Contestant(
                    "sphinx_fe and SphinxTrain" if from_wav else "SphinxTrain",
                    lambda f=from_wav: measure(
                        sphinx.train_commands(f), folder / "train.log", folder=folder, one_core=True
                    ),
                    lambda _: (
                        f"{PASSES} passes at each size, {decoded_errors(corpus, sphinx_hypotheses(folder))}"
                    ),
                    1.9 if from_wav else 2.2,
                    missing=gone,
                ),
            ],
            options.repeats,
            options.full,
        )
    return rows


def asrkit_training(corpus, from_wav):
    """asrkit's commands from recordings, or from features, to the model in work/chmm."""
    folder, commands = corpus.train, []
    if from_wav:
        folder = data.without_features(corpus.train, corpus.work / "train_from_wav")
        commands.append(compute_mfcc(folder))
    commands.append(
        asrkit.command(
            "train",
            folder,
            corpus.work / "chmm",
            *asrkit.family_options("chmm", STATES, GAUSS, PASSES),
            *corpus.feature_options,
        )
    )
    return process(corpus, commands)


@functools.cache
def trained(corpus):
    """The model in work/chmm, made in this run."""
    asrkit_training(corpus, False)


def compute_mfcc(folder):
    return asrkit.command("compute-mfcc", folder, "--config", asrkit.CONF / "mfcc.conf")


def process(corpus, commands):
    return measure(commands, corpus.work / "asrkit.log", environment=asrkit.environment(), one_core=True)


def asrkit_decoding(corpus, from_wav, times=1):
    """`asrkit decode` of the words, each so many times; from recordings it makes the features itself."""
    folder = corpus.decoded
    if times > 1:
        folder = data.repeated(folder, corpus.work / f"decoded_{times}", times)
    if from_wav:
        folder = data.without_features(folder, corpus.work / f"decoded_{times}_from_wav")
    command = asrkit.command(
        "decode", corpus.work / "chmm", folder, corpus.work / "hypotheses", *asrkit.HEARD_ALIKE
    )
    return process(corpus, [command])


def asrkit_hypotheses(corpus):
    asrkit_decoding(corpus, False)
    return data.read_table(corpus.work / "hypotheses" / "hyp")


def sphinx_decoding(folder, from_wav, beam, times=1):
    part = "decoded"
    if times > 1:
        part = f"decoded_{times}"
        lines = (folder / "decoded.ctl").read_text(encoding="utf-8")
        (folder / f"{part}.ctl").write_text(lines * times, encoding="utf-8")
    command = sphinx.decode_command(part, GAUSS, beam, from_wav)
    return measure([command], folder / "decode.log", folder=folder, one_core=True)


def sphinx_hypotheses(folder, from_wav=False, beam=sphinx.BEAMS[-1]):
    if not (folder / "mfc" / "decoded").exists():
        measure([["sh", "decoded.sh"]], folder / "decode.log", folder=folder)
        (folder / "mfc" / "decoded").touch()
    sphinx_decoding(folder, from_wav, beam)
    return sphinx.hypotheses(folder, "decoded")


def decoded_errors(corpus, hypotheses):
    """`2 of 110 test words wrong (5 of all 2182 decoded)`."""
    test, everything = data.read_table(corpus.test / "text"), data.read_table(corpus.decoded / "text")
    wrong = f"{data.errors(test, hypotheses)} of {len(test)} test words wrong"
    if len(test) == len(everything):
        return wrong
    return f"{wrong} ({data.errors(everything, hypotheses)} of all {len(everything)} decoded)"


def decoded_quality(corpus, hypotheses, usage):
    return f"{decoded_errors(corpus, hypotheses)}, {usage.peak_mb:.0f} MB"


def decode(corpus, options):
    """Whole processes on one core, from each one's own features and from recordings."""
    folder, gone = sphinx_folder(corpus)
    trained(corpus)
    beam = {}
    if not gone:
        try:
            if not (folder / "model" / "means").exists():
                measure(sphinx.train_commands(True), folder / "train.log", folder=folder)
            beam = {from_wav: narrowest_beam(corpus, folder, from_wav) for from_wav in (False, True)}
        except Failed as failure:
            gone = f"failed: {failure}"
    rows = []
    for from_wav, source in ((False, "from features"), (True, "from wav")):
        if from_wav and not corpus.recorded:
            continue
        contestants = [
            Contestant(
                "asrkit decode",
                lambda f=from_wav: asrkit_decoding(corpus, f),
                lambda usage: decoded_quality(
                    corpus, data.read_table(corpus.work / "hypotheses" / "hyp"), usage
                ),
            )
        ]
        narrow = beam.get(from_wav, sphinx.BEAMS[0])
        for width, least in {sphinx.BEAMS[-1]: None, narrow: NARROW}.items():
            contestants.append(
                Contestant(
                    f"pocketsphinx_batch, beams {width}",
                    lambda f=from_wav, b=width: sphinx_decoding(folder, f, b),
                    lambda usage, f=from_wav, b=width: decoded_quality(
                        corpus, sphinx_hypotheses(folder, f, b), usage
                    ),
                    least,
                    missing=gone,
                )
            )
        rows += compete(
            f"decode-9x2, processes on one core, {source}", contestants, options.repeats, options.full
        )
        many = [
            Contestant("asrkit decode", lambda f=from_wav: asrkit_decoding(corpus, f, TIMES)),
            Contestant(
                f"pocketsphinx_batch, beams {narrow}",
                lambda f=from_wav, b=narrow: sphinx_decoding(folder, f, b, TIMES),
                target=NARROW,
                missing=gone,
            ),
        ]
        task = f"decode-9x2, processes on one core, {source}, each word {TIMES} times"
        rows += compete(task, many, options.repeats, options.full)
    return rows


def narrowest_beam(corpus, folder, from_wav):
    """The quickest of the beams with which pocketsphinx_batch makes no more errors than with the widest."""
    text = data.read_table(corpus.decoded / "text")
    least = data.errors(text, sphinx_hypotheses(folder, from_wav, sphinx.BEAMS[-1]))
    return next(
        beam for beam in sphinx.BEAMS if data.errors(text, sphinx_hypotheses(folder, from_wav, beam)) <= least
    )


def decode_english(corpus, options):
    """The pocketsphinx wheel as it comes: its own US English model, a grammar of digits, from recordings."""
    name, gone = "pocketsphinx wheel, its US English model, a digits grammar", peers.missing("pocketsphinx")
    if not corpus.recorded:
        gone = data.NO_RECORDINGS
    elif not gone and not set(corpus.words) <= set(peers.SPOKEN):
        gone = "skipped: words that are no English digits"
    if gone:
        return compete("decode, from wav", [Contestant(name, missing=gone)], 1)
    text, wavs = (data.read_table(corpus.test / name) for name in ("text", "wav.scp"))
    few = list(text)[:: max(1, len(text) // 50)]
    reference = {utt: text[utt] for utt in few}
    folder = data.without_features(corpus.test, corpus.work / "test_from_wav")
    for table in ("wav.scp", "text", "utt2spk"):
        kept = {utt: value for utt, value in data.read_table(folder / table).items() if utt in reference}
        data.write_table(folder / table, kept)
    data.write_speakers(folder, data.read_table(folder / "utt2spk"))

    def ours():
        data.without_features(folder, corpus.work / "few_from_wav")
        return process(
            corpus,
            [
                asrkit.command(
                    "decode",
                    corpus.work / "chmm",
                    corpus.work / "few_from_wav",
                    corpus.work / "few_hypotheses",
                    *asrkit.HEARD_ALIKE,
                ),
            ],
        )

    def theirs():
        return peers.pocketsphinx_words({utt: wavs[utt] for utt in few}, corpus.words)

    def found(_):
        return wrong(data.read_table(corpus.work / "few_hypotheses" / "hyp"))

    def wrong(hypotheses):
        return f"{data.errors(reference, hypotheses)} of {len(few)} test words wrong"

    return compete(
        f"decode, from wav, {len(few)} words",
        [
            Contestant("asrkit decode, process", ours, found),
            Contestant(f"{name}, in process", theirs, wrong),
        ],
        options.repeats,
        options.full,
    )
