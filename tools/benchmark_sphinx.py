"""SphinxTrain and pocketsphinx_batch as a fair peer: whole-word models of recordings at 8 kHz.

Each word is its own chain of three phones of three states (ONE = W000_1 W000_2 W000_3), nine states a word,
no skips. From a flat start the Gaussians grow 1, 2, 4, ...; each size has the same number of Baum-Welch
passes, with the beams and the batch normalisation of SphinxTrain's own scripts. Decoding takes a JSGF grammar
of single words without silence, all Gaussians (-topn), and no penalties. Timing each utterance (bw -timing)
and the search for silences and noise, on by default, are off: they would cost the peer most of its time, or
its accuracy.
"""

import os
import shutil
from pathlib import Path

PLACES = ("/usr/lib/sphinxtrain", "/usr/libexec/sphinxtrain", "/usr/local/libexec/sphinxtrain")
PHONES, STATES = 3, 3  # phones a word, states a phone
FRONT_END = {
    "samprate": 8000,
    "nfft": 256,
    "nfilt": 31,
    "lowerf": 200,
    "upperf": 3500,
    "transform": "dct",
    "lifter": 22,
    "remove_noise": "no",
    "remove_silence": "no",
}
FEATURE = {"feat": "1s_c_d_dd", "ceplen": 13, "cmn": "batch", "agc": "none", "varnorm": "no"}
BEAMS = ("1e-30", "1e-48", "1e-80", "1e-120", "1e-200", "1e-300")  # the last is as good as none
HEADER = 44  # bytes of a plain wav file


def missing():
    """Why Sphinx can't take part, or None."""
    lost = [name for name in ("sphinx_fe", "pocketsphinx_batch") if not shutil.which(name)]
    if binaries() is None:
        lost.append("sphinxtrain's bw")
    return (
        f"not installed: {', '.join(lost)} (apt install sphinxtrain pocketsphinx sphinxbase-utils)"
        if lost
        else None
    )


def binaries():
    """The folder of SphinxTrain's programs."""
    places = (*filter(None, [os.environ.get("SPHINXTRAIN")]), *PLACES)
    return next((Path(place) for place in places if (Path(place) / "bw").exists()), None)


def words_of(options):
    return " ".join(f"-{name} {value}" for name, value in options.items())


def prepare(folder, words, parts):
    """Everything but the features and the model.

    Parameters
    ----------
    parts : dict of name to (wav, text)
        Tables of utt to path and to word; each part gets NAME.ctl and NAME.lsn.
    """
    (folder / "model").mkdir(parents=True, exist_ok=True)
    (folder / "wav").mkdir(exist_ok=True)
    for name, (wav, text) in parts.items():
        for utt in text:
            link = folder / "wav" / f"{utt}.wav"
            if not link.is_symlink():
                link.symlink_to(Path(wav[utt]).resolve())
        (folder / f"{name}.ctl").write_text("".join(f"{utt}\n" for utt in text), encoding="utf-8")
        (folder / f"{name}.lsn").write_text(
            "".join(f"{word} ({utt})\n" for utt, word in text.items()), encoding="utf-8"
        )
    chains = {
        word: [f"W{index:03d}_{phone}" for phone in range(1, PHONES + 1)] for index, word in enumerate(words)
    }
    # SIL must be there, nobody says it
    phones = sorted(["SIL", *(phone for chain in chains.values() for phone in chain)])
    rows = [
        " ".join("0.5" if to in (state, state + 1) else "0.0" for to in range(STATES + 1))
        for state in range(STATES)
    ]
    options = [
        words_of({name: value}) for name, value in {**FRONT_END, **FEATURE}.items() if name != "ceplen"
    ]
    files = {
        "phones": [f"{phone} - - -" for phone in phones],
        "dict": [f"{word} {' '.join(chain)}" for word, chain in chains.items()],
        "filler": ["<s> SIL", "</s> SIL", "<sil> SIL"],
        "words.gram": ["#JSGF V1.0;", "grammar words;", f"public <word> = {' | '.join(words)};"],
        "topology": ["0.1", str(STATES + 1), *rows],
        "copy": [f"{state}\t0" for state in range(STATES * len(phones))],
        "model/feat.params": options,
    }
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "features.sh").write_text(features_script("train"), encoding="utf-8")


def features_script(part):
    return f"set -e\nmkdir -p mfc\nsphinx_fe -c {part}.ctl -di wav -ei wav -do mfc -eo mfc -mswav yes {words_of(FRONT_END)}\n"


def write_training(folder, gauss, passes):
    """train.sh: features to a model of `gauss` Gaussians a state, `passes` at each number of Gaussians."""
    at, feature = binaries(), words_of(FEATURE)
    model = "-mixwfn model/mixture_weights -tmatfn model/transition_matrices -meanfn model/means -varfn model/variances"
    data = "-ctlfn train.ctl -part 1 -npart 1 -cepdir mfc -cepext mfc -accumdir sums"
    states = len((folder / "copy").read_text(encoding="utf-8").splitlines())
    lines = [
        "set -e",
        "mkdir -p sums",
        "cp filler model/noisedict",
        f"{at}/mk_mdef_gen -phnlstfn phones -ocimdef model/mdef -n_state_pm {STATES}",
        f"{at}/mk_flat -moddeffn model/mdef -topo topology -mixwfn model/mixture_weights -tmatfn model/transition_matrices "
        "-nstream 1 -ndensity 1",
        f"{at}/init_gau {data} {feature}",
        f"{at}/norm -accumdir sums -meanfn globalmean",
        f"{at}/init_gau -meanfn globalmean {data} {feature}",
        f"{at}/norm -accumdir sums -varfn globalvar",
        f"{at}/cp_parm -cpopsfn copy -igaufn globalmean -ncbout {states} -ogaufn model/means",
        f"{at}/cp_parm -cpopsfn copy -igaufn globalvar -ncbout {states} -ogaufn model/variances",
    ]
    size = 1
    while True:
        for number in range(passes):
            lines += [
                f"{at}/bw -moddeffn model/mdef -ts2cbfn .cont. {model} -dictfn dict -fdictfn filler -lsnfn train.lsn {data} "
                f"{feature} -topn {size} -abeam 1e-90 -bbeam 1e-10 -varfloor 1e-4 -mwfloor 1e-8 "
                f"-2passvar {'yes' if number else 'no'} -timing no",
                f"{at}/norm -accumdir sums {model}",
            ]
        if size >= gauss:
            break
        more = min(size, gauss - size)
        files = {"mixture_weights": "mixw", "means": "mean", "variances": "var"}
        moved = " ".join(
            f"-in{kind}fn model/{name} -out{kind}fn grown.{name}" for name, kind in files.items()
        )
        lines.append(f"{at}/inc_comp -ninc {more} -dcountfn model/mixture_weights {moved}")
        lines += [f"mv grown.{name} model/{name}" for name in files]
        size += more
    (folder / "train.sh").write_text("\n".join(lines) + "\n", encoding="utf-8")


def train_commands(from_wav):
    return [["sh", script] for script in (["features.sh"] if from_wav else []) + ["train.sh"]]


def decode_command(part, gauss, beam, from_wav):
    """pocketsphinx_batch over a part -> PART.hyp."""
    source = {"cepdir": "mfc", "cepext": ".mfc"}
    if from_wav:
        source = {"cepdir": "wav", "cepext": ".wav", "adcin": "yes", "adchdr": HEADER}
    options = {
        "hmm": "model",
        "dict": "dict",
        "jsgf": "words.gram",
        "fsgusefiller": "no",
        "fsgusealtpron": "no",
        "bestpath": "no",
        "ctl": f"{part}.ctl",
        "hyp": f"{part}.hyp",
        "logfn": f"{part}.log",
        "topn": gauss,
        "lw": 1,
        "wip": 1,
        "pip": 1,
        **dict.fromkeys(("beam", "pbeam", "wbeam", "lpbeam", "lponlybeam"), beam),
        **source,
    }
    return [
        "pocketsphinx_batch",
        *(str(word) for name, value in options.items() for word in (f"-{name}", value)),
    ]


def hypotheses(folder, part):
    """Dict of utt to word of PART.hyp: lines `word (utt score)`; nothing recognised leaves the word empty."""
    out = {}
    for line in (folder / f"{part}.hyp").read_text(encoding="utf-8").splitlines():
        word, _, rest = line.rpartition("(")
        out[rest.split()[0].rstrip(")")] = word.strip()
    return out
