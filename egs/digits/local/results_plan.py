"""What RESULTS.md shows: its tables, and the commands that make each row. Data only; results.py runs them.

The commands are bash, run in egs/digits. $fsdd and $course are the corpora, $data and $exp folders for what
is made of them.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One system: its name, the commands that make it, and its decodings, pairs (data directory, decode
    folder).

    A row without commands is made by the section's preparation; a `late` one by those before it.
    """

    name: str
    commands: str
    decodings: tuple
    late: bool = False


@dataclass(frozen=True)
class Section:
    """One table: `prepare` runs first, `functions` stand before each row's commands, `finish` runs last.

    `reference` names the row that the others are tested against; without one it is the best.
    """

    name: str
    title: str
    text: str
    rows: tuple
    prepare: str = ""
    functions: str = ""
    finish: str = ""
    reference: str = ""
    by_speaker: bool = False
    shows: tuple = ()
    pictures: tuple = field(default=())

    @property
    def count(self):
        """How many sets of commands there are."""
        return bool(self.prepare) + bool(self.finish) + sum(bool(row.commands) for row in self.rows)


FAMILIES = ("gmm", "dhmm", "chmm")
CONF = {
    "gmm": "--family gmm --config conf/features.conf --config conf/gmm.conf",
    "dhmm": "--family dhmm --config conf/features.conf --config conf/codebook.conf --config conf/dhmm.conf",
    "chmm": "--family chmm --config conf/features.conf --config conf/chmm.conf",
    "few": "--family chmm --config conf/features.conf --config conf/few-speakers.conf",
}


def crossval(row, directory, exp, settings, **more):
    """A row that is one cross-validation."""
    return Row(row, f"asrkit crossval {directory} {exp} {settings}\n", ((directory, exp),), **more)


def recipe(name, title, text, corpus, source, *more):
    """The table of one run of the recipe, and of `more` rows."""
    test, exp = f"$data/{name}/test", f"$exp/{name}"
    rows = [Row(family, "", ((test, f"{exp}/{family}/decode_test"),)) for family in FAMILIES]
    decodes = f"{exp}/chmm/decode_test {exp}/gmm/decode_test"
    rows += [
        Row("chmm + gmm", f"asrkit combine {exp}/sum {decodes}\n", ((test, f"{exp}/sum"),), late=True),
        *more,
    ]
    command = f"./run.sh --corpus {corpus} --corpus-dir {source} --data $data/{name} --exp {exp}\n"
    return Section(name, title, text, tuple(rows), prepare=command)


# TIDIGITS and the course


TIDIGITS = recipe(
    "tidigits",
    "TIDIGITS, other speakers: the test words",
    "Trained on the 2072 isolated training words of 95 speakers, tested on the isolated test words that are in the course's folder, all of\n"
    "other speakers. The settings in `conf/` were chosen on the training words alone.",
    "tidigits",
    '"$course"',
)

TIDIGITS_CV = Section(
    "tidigits-cv",
    "TIDIGITS, other speakers: the training words, five folds of whole speakers",
    "The 2072 training words of 95 speakers; each fold is decoded by models of the other speakers.",
    (
        *(
            crossval(family, "$data/tidigits/train", f"$exp/tidigits_cv/{family}", CONF[family])
            for family in FAMILIES
        ),
        Row(
            "chmm + gmm",
            "asrkit combine $exp/tidigits_cv/sum $exp/tidigits_cv/chmm $exp/tidigits_cv/gmm\n",
            (("$data/tidigits/train", "$exp/tidigits_cv/sum"),),
            late=True,
        ),
    ),
)

GIVEN = "--delta-order 0 --cmvn none"
FULL = f"{CONF['gmm']} --covariance full --variance-floor 0.1"
COURSE = recipe(
    "course",
    "The ASR course's task: 330 training and 110 test words, other speakers, features as given",
    "The course's own 39-dimensional features of 330 TIDIGITS words of its training speakers; tested on 110 words of others. Two full-covariance\n"
    "Gaussians a word are the smallest models without an error in the folds of the table below.",
    "course",
    '"$course"',
    Row(
        "gmm, 2 full",
        f"asrkit train $data/course/train $exp/course/full {FULL} --num-gauss 2 {GIVEN}\n"
        "asrkit decode $exp/course/full $data/course/test $exp/course/full/decode_test\n",
        (("$data/course/test", "$exp/course/full/decode_test"),),
    ),
)

COURSE_CV = Section(
    "course-cv",
    "The course's training words, five folds of whole speakers, and how many are needed",
    "The 330 training words, where settings for the course are compared (full: Gaussians of full covariance, a floor of 0.1); and the errors on the\n"
    "110 test words against the number of training utterances a word (chmm, three draws of each number).",
    (
        *(
            crossval(family, "$data/course/train", f"$exp/course_cv/{family}", f"{CONF[family]} {GIVEN}")
            for family in FAMILIES
        ),
        crossval(
            "chmm, few-speakers.conf", "$data/course/train", "$exp/course_cv/few", f"{CONF['few']} {GIVEN}"
        ),
        *(
            crossval(
                f"gmm, {count} full",
                "$data/course/train",
                f"$exp/course_cv/full_{count}",
                f"{FULL} --num-gauss {count} {GIVEN}",
            )
            for count in (1, 2, 3, 4)
        ),
    ),
    finish=f"asrkit learning-curve $data/course/train $data/course/test $exp/course_curve {CONF['chmm']} {GIVEN} --nj 2\n",
    pictures=(
        (
            "$exp/course_curve/learning-curve.png",
            "Word error rate on the 110 test words against the training utterances a word.",
        ),
    ),
)

# FSDD

FSDD = recipe(
    "fsdd",
    "FSDD, recordings 0 to 4 of each speaker and digit: known speakers",
    "Trained on the other 2700 recordings **of the same six speakers**: of unknown speakers this says nothing.",
    "fsdd",
    '"$fsdd"',
)

LOSO = "$data/fsdd_all"
NORMALISED = f"{CONF['chmm']} --variance-floor 0.2 --cmvn speaker --norm-vars true"
ADAPTED = "--adapt mllr-map --adapt-passes 5"


def stranger(name, key, settings, **more):
    return crossval(name, LOSO, f"$exp/strangers/{key}", f"--folds 0 {settings}", **more)


STRANGERS = Section(
    "fsdd-strangers",
    "FSDD, leave one speaker out: 3000 recordings, each of a speaker never heard",
    'Six folds, one a speaker. In the first rows every recording is taken alone. From "normalised" on, the unknown speaker\'s recordings are\n'
    "normalised together, and then the models are adapted to them as they are heard; nobody says which words they are. `few-speakers.conf` was\n"
    "chosen on pairs of held-out speakers (training on the other four): whoever is left out, the pairs of the other five prefer full covariances.",
    (
        *(stranger(family, family, CONF[family]) for family in FAMILIES),
        stranger("few-speakers.conf", "few", CONF["few"]),
        Row(
            "chmm + few-speakers.conf",
            "asrkit combine $exp/strangers/sum $exp/strangers/chmm $exp/strangers/few\n",
            ((LOSO, "$exp/strangers/sum"),),
            late=True,
        ),
        stranger("few-speakers.conf with silence states", "few_silence", f"{CONF['few']} --silence true"),
        stranger("normalised: chmm, 2 Gaussians, floor 0.2", "normalised", f"{NORMALISED} --num-gauss 2"),
        stranger("the same, adapted by MLLR + MAP", "adapted", f"{NORMALISED} --num-gauss 2 {ADAPTED}"),
        stranger(
            "4 Gaussians, TIDIGITS as further training, adapted",
            "tidigits",
            f"{NORMALISED} --num-gauss 4 {ADAPTED} --also-train $data/tidigits_digits",
        ),
    ),
    prepare=(
        "cp -r $data/fsdd/all $data/fsdd_all\n"
        "asrkit compute-mfcc $data/fsdd_all --config conf/mfcc.conf --nj 2\n"
        "asrkit compute-cmvn $data/fsdd_all\n"
        "# TIDIGITS' words under FSDD's names: Z is 0, and O is not among them\n"
        "awk '$2 != \"O\" { print $1 }' $data/tidigits/train/text > $data/digits_of_tidigits\n"
        "asrkit subset-data $data/tidigits/train $data/tidigits_digits --utt-list $data/digits_of_tidigits\n"
        "sed 's/ Z$/ 0/' $data/tidigits_digits/text > $data/digits_of_tidigits\n"
        "mv $data/digits_of_tidigits $data/tidigits_digits/text\n"
    ),
    by_speaker=True,
)

# Three recordings a word

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
PERSONAL = Section(
    "fsdd-map",
    "Three recordings a word of one person: a TIDIGITS model adapted",
    "The start is a chmm of TIDIGITS' 1896 training words, digits only. Recordings 0 to 2 of each digit adapt it to one FSDD speaker,\n"
    "whose other 470 are the test.",
    (
        Row(
            "start model",
            "",
            tuple((f"$data/map/{name}_rest", f"$exp/map/start_{name}") for name in SPEAKERS),
        ),
        Row(
            "adapted by MAP",
            "",
            tuple((f"$data/map/{name}_rest", f"$exp/map/{name}_map/decode") for name in SPEAKERS),
        ),
        Row(
            "by MLLR, then MAP",
            "",
            tuple((f"$data/map/{name}_rest", f"$exp/map/{name}_mllr-map/decode") for name in SPEAKERS),
        ),
    ),
    prepare=(
        f"asrkit train $data/tidigits_digits $exp/map/start {CONF['chmm']} --nj 2\n"
        f"for s in {' '.join(SPEAKERS)}; do\n"
        '  asrkit subset-data $data/fsdd_all $data/map/${s}_three --utt-regex "^$s-.-[0-2]$"\n'
        '  asrkit subset-data $data/fsdd_all $data/map/${s}_rest --utt-regex "^$s-.-([3-9]|..)$"\n'
        "  asrkit decode $exp/map/start $data/map/${s}_rest $exp/map/start_$s\n"
        "  for m in map mllr-map; do\n"
        "    asrkit adapt $exp/map/start $data/map/${s}_three $exp/map/${s}_$m --method $m\n"
        "    asrkit decode $exp/map/${s}_$m $data/map/${s}_rest $exp/map/${s}_$m/decode\n"
        "  done\n"
        "done\n"
    ),
    by_speaker=True,
    reference="start model",
)

# One to five recordings a word

DTW = "--family dtw --config conf/features.conf"
SYSTEMS = {
    "dtw": DTW,
    "dtw, no warped copies": f"{DTW} --warps=",
    "few-speakers.conf": CONF["few"],
    "default chmm": CONF["chmm"],
    "gmm": CONF["gmm"],
}
TAKES = {1: "5", 2: "[56]", 3: "[5-7]", 5: "[5-9]"}


def own(count, system):
    """A row: each FSDD speaker heard by models of `count` recordings a word of his own."""
    key = f"{system.translate(str.maketrans(' ,', '__'))}_{count}"
    return Row(
        f"{count} recording{'s' * (count > 1)}: {system}",
        f"own {key} {count} {SYSTEMS[system]}\n",
        tuple((f"$data/own/{name}_rest", f"$exp/own/{key}/{name}/decode") for name in SPEAKERS),
    )


OWN = Section(
    "fsdd-own",
    "One to five recordings a word of one person, nothing else",
    "Recordings 5, or 5 to 9, of each digit by one FSDD speaker are all there is; the same speaker's recordings 20 to 49 are the test, 300 a speaker.\n"
    "dtw keeps the recordings themselves as templates. Warped copies are for strangers: with one's own voice they are better left out.",
    tuple(own(count, system) for count in TAKES for system in SYSTEMS),
    prepare=(
        f"for s in {' '.join(SPEAKERS)}; do\n"
        '  asrkit subset-data $data/fsdd_all $data/own/${s}_rest --utt-regex "^$s-.-[2-4].$"\n'
        + "".join(
            f'  asrkit subset-data $data/fsdd_all $data/own/${{s}}_{count} --utt-regex "^$s-.-0?{takes}$"\n'
            for count, takes in TAKES.items()
        )
        + "done\n"
    ),
    functions=(
        "own() {  # own NAME COUNT TRAIN-OPTIONS...\n"
        f"  for s in {' '.join(SPEAKERS)}; do\n"
        '    asrkit train $data/own/${s}_$2 $exp/own/$1/$s "${@:3}"\n'
        "    asrkit decode $exp/own/$1/$s $data/own/${s}_rest $exp/own/$1/$s/decode\n"
        "  done\n"
        "}\n"
    ),
    reference="3 recordings: dtw, no warped copies",
)

FEW_STRANGERS = Section(
    "tidigits-few",
    "One recording a word of one to six persons, heard by others",
    "Of 1, 3 or 6 TIDIGITS speakers one recording a word is all there is; five draws of them, each tested on the words of the other 89 speakers of the\n"
    "table above. There, with two recordings of six speakers, few-speakers.conf is ahead of dtw; with more an HMM is as good, and quicker: dtw's cost\n"
    "grows with its templates. It also needs trimmed recordings, as silences take up the frames of its templates.",
    tuple(
        Row(
            f"{count} speaker{'s' * (count > 1)}: {system}",
            f"strangers {system.translate(str.maketrans(' ,', '__'))}_{count} {count} {SYSTEMS[system]}\n",
            tuple(
                (
                    f"$data/few/{k}_test",
                    f"$exp/tidigits_few/{system.translate(str.maketrans(' ,', '__'))}_{count}/{k}/decode",
                )
                for k in range(5)
            ),
        )
        for count in (1, 3, 6)
        for system in ("dtw", "few-speakers.conf", "default chmm")
    ),
    prepare=(
        "for k in 0 1 2 3 4; do\n"
        "  for n in 1 3 6; do\n"
        "    head -n $n $data/few/$k.six > $data/few/$k.$n\n"
        "    asrkit subset-data $data/few/${k}_train $data/few/${k}_by_$n --spk-list $data/few/$k.$n\n"
        "    awk '!seen[substr($1, 1, length($1) - 1)]++ { print $1 }' $data/few/${k}_by_$n/text > $data/few/$k.once\n"
        "    asrkit subset-data $data/few/${k}_by_$n $data/few/${k}_once_$n --utt-list $data/few/$k.once\n"
        "  done\n"
        "done\n"
    ),
    functions=(
        "strangers() {  # strangers NAME SPEAKERS TRAIN-OPTIONS...\n"
        "  for k in 0 1 2 3 4; do\n"
        '    asrkit train $data/few/${k}_once_$2 $exp/tidigits_few/$1/$k "${@:3}"\n'
        "    asrkit decode $exp/tidigits_few/$1/$k $data/few/${k}_test $exp/tidigits_few/$1/$k/decode\n"
        "  done\n"
        "}\n"
    ),
    reference="3 speakers: dtw",
)

# Noise

NOISE = Section(
    "noise",
    "Noise: clean training against training with noisy copies",
    "TIDIGITS' training words, the first of the five folds: white noise and babble of other speakers' words, both among the speakers that\n"
    "are tested, at 20 to 0 dB. The noisy training adds one copy of each training word, in white noise or babble at 20, 15, 10 or 5 dB.",
    (
        Row("clean training", "", (("$data/noise/test", "$exp/noise/clean/decode"),)),
        Row("noisy copies", "", (("$data/noise/test", "$exp/noise/multi/decode"),)),
    ),
    prepare=(
        "asrkit perturb $exp/tidigits_cv/chmm/fold_1/test $data/noise/test --noise white,babble --snr 20,15,10,5,0 --grid true \\\n"
        "  --keep-original true --nj 2\n"
        "asrkit perturb $exp/tidigits_cv/chmm/fold_1/train $data/noise/copies --noise white,babble --snr 20,15,10,5 --nj 2\n"
        "for d in test copies; do asrkit compute-mfcc $data/noise/$d --config conf/mfcc.conf --nj 2; done\n"
        "asrkit combine-data $data/noise/multi $exp/tidigits_cv/chmm/fold_1/train $data/noise/copies\n"
        f"asrkit train $exp/tidigits_cv/chmm/fold_1/train $exp/noise/clean {CONF['chmm']} --nj 2\n"
        f"asrkit train $data/noise/multi $exp/noise/multi {CONF['chmm']} --nj 2\n"
        "for m in clean multi; do\n"
        "  asrkit decode $exp/noise/$m $data/noise/test $exp/noise/$m/decode --nj 2\n"
        "  asrkit score $data/noise/test $exp/noise/$m/decode\n"
        "done\n"
        "asrkit report $exp/noise/report $data/noise/test $exp/noise/clean/decode $exp/noise/multi/decode\n"
    ),
    shows=("$exp/noise/report/table.txt",),
    pictures=(("$exp/noise/report/noise.png", "Word error rate against the signal-to-noise ratio."),),
)

# What each means is worth

DRAWS = range(5)
BASE = CONF["chmm"]


def few(name, settings, key, decode=""):
    """A row of the ablation: five draws of six training speakers, tested on the 89 others."""
    command = f'few {key} "{decode}" {settings}\n'
    return Row(name, command, tuple((f"$data/few/{k}_test", f"$exp/few/{key}/{k}/decode") for k in DRAWS))


def few_copies(name, treatment, key):
    """The same with perturbed copies of the recordings in training."""
    command = f'copies {key} "{treatment}" {BASE}\n'
    return Row(name, command, tuple((f"$data/few/{k}_test", f"$exp/few/{key}/{k}/decode") for k in DRAWS))


def few_features(name, options, key):
    """The same with other features."""
    loop = (
        f"cp -r $data/tidigits/train $data/few_{key}\n"
        f"asrkit compute-mfcc $data/few_{key} {options}\n"
        f"for k in {' '.join(map(str, DRAWS))}; do\n"
        f"  asrkit subset-data $data/few_{key} $data/few_{key}/${{k}}_train --spk-list $data/few/$k.six\n"
        f"  asrkit subset-data $data/few_{key} $data/few_{key}/${{k}}_test --spk-list $data/few/$k.six --exclude true\n"
        f"  asrkit train $data/few_{key}/${{k}}_train $exp/few/{key}/$k {BASE}\n"
        f"  asrkit decode $exp/few/{key}/$k $data/few_{key}/${{k}}_test $exp/few/{key}/$k/decode\n"
        "done\n"
    )
    return Row(name, loop, tuple((f"$data/few_{key}/{k}_test", f"$exp/few/{key}/{k}/decode") for k in DRAWS))


ABLATION = Section(
    "ablation",
    "What each means is worth: six training speakers, TIDIGITS' training words",
    "Settings are chosen here. Few speakers in training are what most users have, and make enough errors to tell means apart: five draws of six\n"
    "of the 95 training speakers, each tested on the 89 others. Each row changes the default chmm (`conf/`) as it says. An utterance counts in each\n"
    "draw that tests it, which makes the Wilson interval too narrow and p too small; the interval over speakers is fair.",
    (
        few("default chmm", BASE, "chmm"),
        few("no warped copies", f"{BASE} --warps=", "warps_none"),
        few("four warped copies", f"{BASE} --warps 0.85,0.92,1.08,1.17", "warps_4"),
        few("variance floor 0.01", f"{BASE} --variance-floor 0.01", "floor_01"),
        few("variance floor 0.2", f"{BASE} --variance-floor 0.2", "floor_2"),
        few("8 states", f"{BASE} --num-states 8", "states_8"),
        few("16 states", f"{BASE} --num-states 16", "states_16"),
        few("2 Gaussians a state", f"{BASE} --num-gauss 2", "gauss_2"),
        few("4 Gaussians a state", f"{BASE} --num-gauss 4", "gauss_4"),
        few("2 Gaussians, floor 0.2", f"{BASE} --num-gauss 2 --variance-floor 0.2", "small"),
        few("deltas over 3 frames on each side", f"{BASE} --delta-window 3", "window_3"),
        few("no accelerations", f"{BASE} --delta-order 1", "order_1"),
        few("skips allowed", f"{BASE} --topology skip", "skip"),
        few("silence states", f"{BASE} --silence true", "silence"),
        few("Viterbi, then Baum-Welch", f"{BASE} --method both", "both"),
        few("full covariances: few-speakers.conf", CONF["few"], "few"),
        few("the same with silence states", f"{CONF['few']} --silence true", "few_silence"),
        few("the same with 12 states", f"{CONF['few']} --num-states 12", "few_12"),
        few("the same with a floor of 0.1", f"{CONF['few']} --variance-floor 0.1", "few_floor"),
        few("mean normalised by utterance", f"{BASE} --cmvn utterance", "utterance"),
        few(
            "on-line: sliding mean of the past",
            f"{BASE} --cmvn sliding --cmn-center false --cmn-window 300",
            "sliding",
        ),
        few("mean normalised by speaker", f"{BASE} --cmvn speaker", "speaker"),
        few("mean and variance by speaker", f"{BASE} --cmvn speaker --norm-vars true", "speaker_vars"),
        few("the same, 2 Gaussians, floor 0.2", f"{NORMALISED} --num-gauss 2", "normalised"),
        few(
            "that, adapted by MLLR + MAP (22 words a speaker)",
            f"{NORMALISED} --num-gauss 2",
            "adapted",
            "--adapt mllr-map",
        ),
        few_copies("copies in noise", "--noise white,babble --snr 20,15,10,5", "noise"),
        few_copies("copies of other speed", "--speed 0.9,1.1", "speed"),
        few_copies("copies in rooms", "--reverb 0.2,0.4", "rooms"),
        few_features("log energy instead of C0", "--sample-frequency=8000 --use-energy=true", "energy"),
        few_features("librosa's MFCC", "--sample-frequency=8000 --preset=librosa", "librosa"),
        few("semi-continuous HMM (schmm)", "--family schmm --config conf/features.conf", "schmm"),
        few("gmm", CONF["gmm"], "gmm"),
        few("templates (dtw)", DTW, "dtw"),
        Row(
            "chmm + gmm",
            f"for k in {' '.join(map(str, DRAWS))}; do asrkit combine $exp/few/sum/$k/decode $exp/few/chmm/$k/decode $exp/few/gmm/$k/decode; done\n",
            tuple((f"$data/few/{k}_test", f"$exp/few/sum/{k}/decode") for k in DRAWS),
            late=True,
        ),
    ),
    prepare=(
        "mkdir -p $data/few\n"
        f"for k in {' '.join(map(str, DRAWS))}; do\n"
        "  awk -v k=$k 'NR % 16 == k + 1 { print $1 }' $data/tidigits/train/spk2utt > $data/few/$k.six\n"
        "  asrkit subset-data $data/tidigits/train $data/few/${k}_train --spk-list $data/few/$k.six\n"
        "  asrkit subset-data $data/tidigits/train $data/few/${k}_test --spk-list $data/few/$k.six --exclude true\n"
        "done\n"
    ),
    functions=(
        "few() {  # few NAME DECODE-OPTIONS TRAIN-OPTIONS...\n"
        f"  for k in {' '.join(map(str, DRAWS))}; do\n"
        '    asrkit train ${from:-$data/few}/${k}_train $exp/few/$1/$k "${@:3}"\n'
        "    asrkit decode $exp/few/$1/$k $data/few/${k}_test $exp/few/$1/$k/decode $2\n"
        "  done\n"
        "}\n"
        "copies() {  # copies NAME PERTURB-OPTIONS TRAIN-OPTIONS...\n"
        f"  for k in {' '.join(map(str, DRAWS))}; do\n"
        "    asrkit perturb $data/few/${k}_train $data/few_$1/${k}_copies $2\n"
        "    asrkit compute-mfcc $data/few_$1/${k}_copies --config conf/mfcc.conf\n"
        "    asrkit combine-data $data/few_$1/${k}_train $data/few/${k}_train $data/few_$1/${k}_copies\n"
        "  done\n"
        '  from=$data/few_$1 few $1 "" "${@:3}"\n'
        "}\n"
    ),
    reference="default chmm",
)

SECTIONS = (
    TIDIGITS,
    TIDIGITS_CV,
    ABLATION,
    FEW_STRANGERS,
    FSDD,
    STRANGERS,
    PERSONAL,
    OWN,
    NOISE,
    COURSE,
    COURSE_CV,
)
