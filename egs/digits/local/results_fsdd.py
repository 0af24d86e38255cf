"""Tables of FSDD: known speakers, strangers, one person's own models, and models of the other corpus."""

from results_rows import (
    ALONE,
    OLD,
    OLD_FEW,
    SHUFFLE,
    TAKEN_ALONE,
    Curve,
    Row,
    Section,
    recipe,
)

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
LOOP = f"for s in {' '.join(SPEAKERS)}; do"
BASE = "--family chmm"

FSDD = recipe(
    "fsdd",
    "FSDD, recordings 0 to 4 of each speaker and digit: known speakers",
    "Trained on the other 2700 recordings **of the same six speakers**: of unknown speakers this says nothing.",
    "fsdd",
    '"$fsdd"',
)

# Strangers

STRANGE = "$exp/strangers"


def folds(key, decode):
    return tuple(
        (f"{STRANGE}/{key}/fold_{name}/test", f"{STRANGE}/{key}/fold_{name}/{decode}") for name in SPEAKERS
    )


def heard(family):
    """Four rows: models of a family, and how they hear a stranger."""
    # what can't be moved to a speaker can be normalised by all he says
    whole = "--adapt none --cmvn-memory whole" if family == "dhmm" else "--adapt whole"
    command = f'strangers {family} "{whole}" --family {family}\n'
    return (
        Row(f"{family}, each recording alone", command, folds(family, "alone")),
        Row(f"{family}", "", folds(family, "decode_test")),
        Row(f"{family}, in mixed order", "", folds(family, "mixed")),
        Row(f"{family}, all of a speaker heard first", "", folds(family, "whole")),
    )


def once(name, key, settings):
    """A row of one cross-validation alone."""
    return Row(
        name,
        f"asrkit crossval $data/fsdd_all {STRANGE}/{key} --folds 0 {settings}\n",
        folds(key, "decode_test"),
    )


STRANGERS = Section(
    "fsdd-strangers",
    "FSDD, leave one speaker out: 3000 recordings, each of a speaker never heard",
    "Six folds, one a speaker. By default, `decode` learns the unknown speaker from those of his recordings that it has heard before, nobody says which words\n"
    "they are. They come in the order of their names, word by word: fifty times zero, then fifty times one, and so on, which is not how people speak; in mixed order\n"
    "each speaker's recordings are shuffled (and their results put under their own names again). Of a dhmm nothing is moved but the normalisation.",
    (
        *(row for family in ("chmm", "gmm", "dhmm") for row in heard(family)),
        Row(
            "chmm + gmm",
            f"{LOOP} asrkit combine {STRANGE}/sum/fold_$s {STRANGE}/{{chmm,gmm}}/fold_$s/decode_test; done\n",
            tuple((f"{STRANGE}/chmm/fold_{name}/test", f"{STRANGE}/sum/fold_{name}") for name in SPEAKERS),
            late=True,
        ),
        once("0.1.0's default", "old_chmm", f"{OLD['chmm']} {TAKEN_ALONE}"),
        once("0.1.0's few-speakers.conf", "old_few", f"{OLD_FEW} {TAKEN_ALONE}"),
        once(
            "0.1.0's best: normalised by speaker, 2 Gaussians, floor 0.2, adapted to all of a speaker",
            "old_adapted",
            f"{OLD['chmm']} --num-gauss 2 --variance-floor 0.2 --cmvn speaker --norm-vars true --adapt mllr-map --adapt-passes 5",
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
        "# mixed order: george-0-7 becomes george-0123-0-7\n"
        "mkdir -p $data/fsdd_mixed\n"
        f"{SHUFFLE}"
        "cut -d ' ' -f 1 $data/fsdd_all/text | shuffle 0 | awk '{ split($1, p, \"-\"); printf \"%s %s-%04d-%s-%s\\n\", $1, p[1], NR, p[2], p[3] }' \\\n"
        "  > $data/fsdd_mixed.names\n"
        "for t in text utt2spk feats.scp; do\n"
        "  awk 'NR == FNR { new[$1] = $2; next } { $1 = new[$1]; print }' $data/fsdd_mixed.names $data/fsdd_all/$t | sort > $data/fsdd_mixed/$t\n"
        "done\n"
        "cp $data/fsdd_all/{frame_shift,frontend.conf} $data/fsdd_mixed\n"
        f'{LOOP} asrkit subset-data $data/fsdd_mixed $data/mixed/$s --utt-regex "^$s-"; done\n'
    ),
    functions=(
        "strangers() {  # strangers NAME OPTIONS-OF-WHOLE TRAIN-OPTIONS...\n"
        f'  asrkit crossval $data/fsdd_all {STRANGE}/$1 --folds 0 "${{@:3}}"\n'
        f"  {LOOP}\n"
        f"    fold={STRANGE}/$1/fold_$s\n"
        f"    asrkit decode $fold $fold/test $fold/alone {ALONE}\n"
        "    asrkit decode $fold $fold/test $fold/whole $2\n"
        "    asrkit decode $fold $data/mixed/$s $fold/mixed_order\n"
        "    mkdir -p $fold/mixed\n"
        "    sed 's/-[0-9]*//' $fold/mixed_order/hyp | sort > $fold/mixed/hyp\n"
        "  done\n"
        "}\n"
    ),
    by_speaker=True,
    reference="chmm",
)

# Recordings a word

COUNTS = (1, 2, 5, 10, 20)
ALL = 50
LAST = {1: "0", 2: "[01]", 5: "[0-4]", 10: "[0-9]", 20: "1?[0-9]"}


def by_recordings(count):
    name = f"{count} recording{'s' * (count > 1)} a word"

    def places(key, decode):
        folder = f"$exp/recordings/{key}_{count}/{{}}" if count < ALL else f"{STRANGE}/{key}/fold_{{}}"
        return tuple(
            (f"{STRANGE}/chmm/fold_{who}/test", f"{folder.format(who)}/{decode}") for who in SPEAKERS
        )

    new = f"recordings chmm {count} --family chmm\ncausal chmm {count}\n" if count < ALL else ""
    old = f"recordings old_chmm {count} {OLD['chmm']}\n" if count < ALL else ""
    learned, first = ("causal", "alone") if count < ALL else ("decode_test", "decode_test")
    return (
        Row(f"{name}: default", new, places("chmm", learned)),
        Row(
            f"{name}: default, each recording alone", "", places("chmm", "alone"), against=f"{name}: default"
        ),
        Row(f"{name}: 0.1.0's default", old, places("old_chmm", first), against=f"{name}: default"),
    )


RECORDINGS = Section(
    "recordings",
    "How errors fall with recordings: 1 to 50 a word by each of five FSDD speakers in training",
    "The first of each speaker's recordings of each word; the sixth speaker's 500 are the test, each speaker in turn. p is against the default with as many.",
    tuple(row for count in (*COUNTS, ALL) for row in by_recordings(count)),
    prepare=(
        f"{LOOP}\n"
        + "".join(
            f"  asrkit subset-data {STRANGE}/chmm/fold_$s/train $data/recordings/${{s}}_{count} --utt-regex='-{last}$'\n"
            for count, last in LAST.items()
        )
        + "done\n"
    ),
    functions=(
        "recordings() {  # recordings NAME COUNT TRAIN-OPTIONS...\n"
        f"  {LOOP}\n"
        '    asrkit train $data/recordings/${s}_$2 $exp/recordings/$1_$2/$s "${@:3}"\n'
        f"    asrkit decode $exp/recordings/$1_$2/$s {STRANGE}/chmm/fold_$s/test $exp/recordings/$1_$2/$s/alone {ALONE}\n"
        "  done\n"
        "}\n"
        "causal() {  # causal NAME COUNT\n"
        f"  {LOOP}\n"
        f"    asrkit decode $exp/recordings/$1_$2/$s {STRANGE}/chmm/fold_$s/test $exp/recordings/$1_$2/$s/causal\n"
        "  done\n"
        "}\n"
    ),
    curve=Curve(
        "recordings a word of each of five speakers in training",
        tuple(
            (
                label,
                tuple(
                    (count, f"{count} recording{'s' * (count > 1)} a word: {label}")
                    for count in (*COUNTS, ALL)
                ),
            )
            for label in ("0.1.0's default", "default, each recording alone", "default")
        ),
    ),
)

# One person


def rest(model):
    """The decodings of each speaker's other recordings."""
    return tuple((f"$data/map/{name}_rest", f"$exp/map/{model.format(name)}") for name in SPEAKERS)


PERSONAL = Section(
    "fsdd-map",
    "Three recordings a word of one person: a TIDIGITS model adapted",
    "The start is a chmm of TIDIGITS' 1896 training words, digits only. Recordings 0 to 2 of each digit, whose words are known, adapt it to one FSDD speaker,\n"
    "whose other 470 are the test. By default `decode` goes on learning, from what it hears.",
    (
        Row("start model, each recording alone", f"hear start alone {ALONE}\n", rest("start/{}_alone")),
        Row("start model", "hear start causal\n", rest("start/{}_causal")),
        Row(
            "start model, all of a speaker heard first",
            "hear start whole --adapt whole\n",
            rest("start/{}_whole"),
        ),
        Row("adapted by MAP, each recording alone", "adapted start map\n", rest("start_map/{}/alone")),
        Row("adapted by MAP", "", rest("start_map/{}/causal")),
        Row(
            "by MLLR, then MAP, each recording alone",
            "adapted start mllr-map\n",
            rest("start_mllr-map/{}/alone"),
        ),
        Row("by MLLR, then MAP", "", rest("start_mllr-map/{}/causal")),
        Row("0.1.0's start model", f"hear old alone {TAKEN_ALONE}\n", rest("old/{}_alone")),
        Row("0.1.0's, by MLLR, then MAP", "adapted old mllr-map\n", rest("old_mllr-map/{}/alone")),
    ),
    prepare=(
        f"asrkit train $data/tidigits_digits $exp/map/start {BASE} --nj 2\n"
        f"asrkit train $data/tidigits_digits $exp/map/old {OLD['chmm']} --nj 2\n"
        f"{LOOP}\n"
        '  asrkit subset-data $data/fsdd_all $data/map/${s}_three --utt-regex "^$s-.-[0-2]$"\n'
        '  asrkit subset-data $data/fsdd_all $data/map/${s}_rest --utt-regex "^$s-.-([3-9]|..)$"\n'
        "done\n"
    ),
    functions=(
        "hear() {  # hear MODEL NAME DECODE-OPTIONS...\n"
        f'  {LOOP} asrkit decode $exp/map/$1 $data/map/${{s}}_rest $exp/map/$1/${{s}}_$2 "${{@:3}}"; done\n'
        "}\n"
        "adapted() {  # adapted MODEL METHOD\n"
        f"  {LOOP}\n"
        "    own=$exp/map/$1_$2/$s\n"
        "    asrkit adapt $exp/map/$1 $data/map/${s}_three $own --method $2\n"
        f"    asrkit decode $own $data/map/${{s}}_rest $own/alone {ALONE}\n"
        "    asrkit decode $own $data/map/${s}_rest $own/causal\n"
        "  done\n"
        "}\n"
    ),
    by_speaker=True,
    reference="start model",
)

SYSTEMS = {
    "default": (BASE, ""),
    "default, no warped copies": (f"{BASE} --warps=", ""),
    "gmm": ("--family gmm", ""),
    "dtw": ("--family dtw", ""),
    "dtw, no warped copies": ("--family dtw --warps=", ""),
    "0.1.0's few-speakers.conf": (OLD_FEW, TAKEN_ALONE),
    "0.1.0's default": (OLD["chmm"], TAKEN_ALONE),
}
TAKES = {1: "5", 3: "[5-7]", 5: "[5-9]"}


def own(count, system):
    """A row: each FSDD speaker heard by models of `count` recordings a word of his own."""
    key = f"{''.join(c if c.isalnum() else '_' for c in system)}_{count}"
    name = f"{count} recording{'s' * (count > 1)}"
    settings, decode = SYSTEMS[system]
    return Row(
        f"{name}: {system}",
        f'own {key} {count} "{decode}" {settings}\n',
        tuple((f"$data/own/{who}_rest", f"$exp/own/{key}/{who}/decode") for who in SPEAKERS),
        against="" if system == "default" else f"{name}: default",
    )


OWN = Section(
    "fsdd-own",
    "One to five recordings a word of one person, nothing else",
    "Recordings 5, or 5 to 9, of each digit by one FSDD speaker are all there is; the same speaker's recordings 20 to 49 are the test, 300 a speaker.\n"
    "dtw keeps the recordings themselves as templates. p is against the default with as many recordings.",
    tuple(own(count, system) for count in TAKES for system in SYSTEMS),
    prepare=(
        f"{LOOP}\n"
        '  asrkit subset-data $data/fsdd_all $data/own/${s}_rest --utt-regex "^$s-.-[2-4].$"\n'
        + "".join(
            f'  asrkit subset-data $data/fsdd_all $data/own/${{s}}_{count} --utt-regex "^$s-.-{takes}$"\n'
            for count, takes in TAKES.items()
        )
        + "done\n"
    ),
    functions=(
        "own() {  # own NAME COUNT DECODE-OPTIONS TRAIN-OPTIONS...\n"
        f"  {LOOP}\n"
        '    asrkit train $data/own/${s}_$2 $exp/own/$1/$s "${@:4}"\n'
        "    asrkit decode $exp/own/$1/$s $data/own/${s}_rest $exp/own/$1/$s/decode $3\n"
        "  done\n"
        "}\n"
    ),
)

# The other corpus

NAMES = {"tidigits": "TIDIGITS", "fsdd": "FSDD"}


def crossed(one, other):
    name, model, test = (
        f"{NAMES[one]} to {NAMES[other]}",
        f"$exp/cross/chmm/{one}",
        f"$data/cross/{other}/shared",
    )
    old = (
        f"asrkit train $data/cross/{one}/shared $exp/cross/old/{one} {OLD['chmm']}\n"
        f"asrkit decode $exp/cross/old/{one} {test} $exp/cross/old/{one}/decode {TAKEN_ALONE}\n"
    )
    default = f"{name}: default"
    return (
        Row(
            f"{default}, each recording alone",
            "",
            ((test, f"{model}/decode_{other}_alone"),),
            against=default,
        ),
        Row(default, "", ((test, f"{model}/decode_{other}_causal"),)),
        Row(
            f"{default}, all of a speaker heard first",
            "",
            ((test, f"{model}/decode_{other}_whole"),),
            against=default,
        ),
        Row(f"{name}: 0.1.0's default", old, ((test, f"$exp/cross/old/{one}/decode"),), against=default),
    )


CROSS = Section(
    "cross",
    "Other microphones, rooms and speakers: models of one corpus hear the other",
    "`egs/cross/run.sh`, which does it with corpora of yours, too: trained on all ten digits of one corpus, tested on those of the other. p is against the\n"
    "default trained on the same.",
    (*crossed("tidigits", "fsdd"), *crossed("fsdd", "tidigits")),
    prepare=(
        '../cross/run.sh --corpora "fsdd=$fsdd,tidigits=$course" --data $data/cross --exp $exp/cross --stop-stage 2\n'
    ),
)
