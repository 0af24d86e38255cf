"""Tables of TIDIGITS' words: test words, folds, few speakers, what each means is worth, noise and rooms."""

from results_rows import (
    ALONE,
    FAMILIES,
    OLD,
    OLD_FEW,
    SHUFFLE,
    TAKEN_ALONE,
    Curve,
    Row,
    Section,
    combined,
    crossval,
    recipe,
)

TRAIN = "$data/tidigits/train"
CV = "$exp/tidigits_cv"

TIDIGITS = recipe(
    "tidigits",
    "TIDIGITS, other speakers: the test words",
    "Trained on the 2072 isolated training words of 95 speakers, tested on the isolated test words that are in the course's folder, all of\n"
    "other speakers.",
    "tidigits",
    '"$course"',
)

TIDIGITS_CV = Section(
    "tidigits-cv",
    "TIDIGITS, other speakers: the training words, five folds of whole speakers",
    "The 2072 training words of 95 speakers; each fold is decoded by models of the other speakers.",
    (
        *(crossval(family, TRAIN, f"{CV}/{family}", f"--family {family}") for family in FAMILIES),
        combined("chmm + gmm", f"{CV}/sum", f"{CV}/chmm", f"{CV}/gmm", data=TRAIN),
        *(
            crossval(f"0.1.0's {family}", TRAIN, f"{CV}/old_{family}", f"{OLD[family]} {TAKEN_ALONE}")
            for family in FAMILIES
        ),
    ),
)

# From one speaker to 76

FOLDS = range(1, 6)
COUNTS = (1, 2, 4, 6, 12, 24, 48)
ALL = 76  # the speakers that a fold is trained on


def by_speakers(count):
    """Three rows: the default, as it learns its speaker and alone, and 0.1.0's default."""
    name = f"{count} speaker{'s' * (count > 1)}"

    def places(key, decode):
        folder = f"$exp/speakers/{key}_{count}/{{}}" if count < ALL else f"{CV}/{key}/fold_{{}}"
        return tuple((f"{CV}/chmm/fold_{fold}/test", f"{folder.format(fold)}/{decode}") for fold in FOLDS)

    if count < ALL:
        new = f"speakers chmm {count} --family chmm\ncausal chmm {count}\n"
        old, learned = f"speakers old_chmm {count} {OLD['chmm']}\n", "causal"
    else:
        new = f"for k in {' '.join(map(str, FOLDS))}; do fold={CV}/chmm/fold_$k; asrkit decode $fold $fold/test $fold/alone {ALONE}; done\n"
        old, learned = "", "decode_test"
    return (
        Row(f"{name}: default", new, places("chmm", learned)),
        Row(
            f"{name}: default, each recording alone", "", places("chmm", "alone"), against=f"{name}: default"
        ),
        Row(
            f"{name}: 0.1.0's default",
            old,
            places("old_chmm", "alone" if count < ALL else learned),
            against=f"{name}: default",
        ),
    )


SPEAKERS = Section(
    "speakers",
    "How errors fall with speakers: 1 to 76 of TIDIGITS in training",
    "Two recordings a word of each. The folds are those of the table above, so that all 95 speakers are tested, each by models of others: of the 76\n"
    "that a fold is trained on, the first of a draw by chance. p is against the default with as many speakers.",
    tuple(row for count in (*COUNTS, ALL) for row in by_speakers(count)),
    prepare=(
        "mkdir -p $data/speakers\n"
        f"{SHUFFLE}"
        f"for k in {' '.join(map(str, FOLDS))}; do\n"
        f"  cut -d ' ' -f 1 {CV}/chmm/fold_$k/train/spk2utt | shuffle $k > $data/speakers/$k.all\n"
        f"  for n in {' '.join(map(str, COUNTS))}; do\n"
        "    head -n $n $data/speakers/$k.all > $data/speakers/$k.some\n"
        f"    asrkit subset-data {CV}/chmm/fold_$k/train $data/speakers/${{k}}_$n --spk-list $data/speakers/$k.some\n"
        "  done\n"
        "done\n"
    ),
    functions=(
        "speakers() {  # speakers NAME COUNT TRAIN-OPTIONS...\n"
        f"  for k in {' '.join(map(str, FOLDS))}; do\n"
        '    asrkit train $data/speakers/${k}_$2 $exp/speakers/$1_$2/$k "${@:3}"\n'
        f"    asrkit decode $exp/speakers/$1_$2/$k {CV}/chmm/fold_$k/test $exp/speakers/$1_$2/$k/alone {ALONE}\n"
        "  done\n"
        "}\n"
        "causal() {  # causal NAME COUNT\n"
        f"  for k in {' '.join(map(str, FOLDS))}; do\n"
        f"    asrkit decode $exp/speakers/$1_$2/$k {CV}/chmm/fold_$k/test $exp/speakers/$1_$2/$k/causal\n"
        "  done\n"
        "}\n"
    ),
    curve=Curve(
        "speakers in training, two recordings a word of each",
        tuple(
            (label, tuple((count, f"{count} speaker{'s' * (count > 1)}: {row}") for count in (*COUNTS, ALL)))
            for label, row in (
                ("0.1.0's default", "0.1.0's default"),
                ("default, each recording alone", "default, each recording alone"),
                ("default", "default"),
            )
        ),
    ),
)

# What each means is worth

DRAWS = range(5)
BASE = "--family chmm"


def places(key, decode="decode"):
    return tuple((f"$data/few/{k}_test", f"$exp/few/{key}/{k}/{decode}") for k in DRAWS)


def few(name, settings, key, decode="", **more):
    """A row of the ablation: five draws of six training speakers, tested on the 89 others."""
    return Row(name, f'few {key} "{decode}" {settings}\n', places(key), **more)


def heard(name, key, decode):
    """The same with the default's models, heard otherwise."""
    return Row(name, f"heard {key} {decode}\n", places("chmm", key), late=True)


def few_copies(name, treatment, key):
    """The same with perturbed copies of the recordings in training."""
    return Row(name, f'copies {key} "{treatment}" {BASE}\n', places(key))


LOOP = f"for k in {' '.join(map(str, DRAWS))}; do"
ABLATION = Section(
    "ablation",
    "What each means is worth: six training speakers, TIDIGITS' training words",
    "Few speakers in training are what most users have, and make enough errors to tell means apart: five draws of six of the 95 training speakers,\n"
    "each tested on the 89 others. The first row is plain `train --family chmm` and `decode`; each other row changes what it says and nothing else. An\n"
    "utterance counts in each draw that tests it, which makes the Wilson interval too narrow and p too small; the interval over speakers is fair.",
    (
        few("default", BASE, "chmm"),
        heard("each recording alone", "alone", ALONE),
        heard("normalisation remembers, models stay", "memory", "--adapt none"),
        heard("all recordings of a speaker heard first", "whole", "--adapt whole"),
        heard("test warps by speaker", "test_warps", "--test-warps 0.9,1.1 --test-warps-by speaker"),
        few("not normalised", f"{BASE} --cmvn none", "cmvn_none"),
        few("mean alone normalised", f"{BASE} --cmvn map-mean", "map_mean"),
        few("no warped copies", f"{BASE} --warps=", "warps_none"),
        few("four warped copies", f"{BASE} --warps 0.8,0.88,1.12,1.2", "warps_4"),
        few("covariances not shared (ν 0)", f"{BASE} --shared-frames 0", "shared_0"),
        few("ν 30", f"{BASE} --shared-frames 30", "shared_30"),
        few("ν 1000", f"{BASE} --shared-frames 1000", "shared_1000"),
        few("diagonal: 12 states x 8 Gaussians, not shared", f"{BASE} --covariance diag", "diag"),
        few("6 states", f"{BASE} --num-states 6", "states_6"),
        few("12 states", f"{BASE} --num-states 12", "states_12"),
        few("variance floor 0.1", f"{BASE} --variance-floor 0.1", "floor_1"),
        few("silence states", f"{BASE} --silence true", "silence"),
        few_copies("copies in noise", "--noise white,babble --snr 20,15,10,5", "noise"),
        few_copies("copies in rooms", "--reverb 0.2,0.4", "rooms"),
        few("gmm", "--family gmm", "gmm"),
        few("dhmm", "--family dhmm", "dhmm"),
        few("schmm", "--family schmm", "schmm"),
        few("dtw", "--family dtw", "dtw"),
        Row(
            "chmm + gmm",
            f"{LOOP} asrkit combine $exp/few/sum/$k/decode $exp/few/chmm/$k/decode $exp/few/gmm/$k/decode; done\n",
            places("sum"),
            late=True,
        ),
        few("0.1.0's default", OLD["chmm"], "old", TAKEN_ALONE),
        few("0.1.0's few-speakers.conf", OLD_FEW, "old_few", TAKEN_ALONE),
    ),
    prepare=(
        "mkdir -p $data/few\n"
        f"{LOOP}\n"
        "  awk -v k=$k 'NR % 16 == k + 1 { print $1 }' $data/tidigits/train/spk2utt > $data/few/$k.six\n"
        "  asrkit subset-data $data/tidigits/train $data/few/${k}_train --spk-list $data/few/$k.six\n"
        "  asrkit subset-data $data/tidigits/train $data/few/${k}_test --spk-list $data/few/$k.six --exclude true\n"
        "done\n"
    ),
    functions=(
        "few() {  # few NAME DECODE-OPTIONS TRAIN-OPTIONS...\n"
        f"  {LOOP}\n"
        '    asrkit train ${from:-$data/few}/${k}_train $exp/few/$1/$k "${@:3}"\n'
        "    asrkit decode $exp/few/$1/$k $data/few/${k}_test $exp/few/$1/$k/decode $2\n"
        "  done\n"
        "}\n"
        "heard() {  # heard NAME DECODE-OPTIONS...\n"
        f'  {LOOP} asrkit decode $exp/few/chmm/$k $data/few/${{k}}_test $exp/few/chmm/$k/$1 "${{@:2}}"; done\n'
        "}\n"
        "copies() {  # copies NAME PERTURB-OPTIONS TRAIN-OPTIONS...\n"
        f"  {LOOP}\n"
        "    asrkit perturb $data/few/${k}_train $data/few_$1/${k}_copies $2\n"
        "    asrkit compute-mfcc $data/few_$1/${k}_copies --config conf/mfcc.conf\n"
        "    asrkit combine-data $data/few_$1/${k}_train $data/few/${k}_train $data/few_$1/${k}_copies\n"
        "  done\n"
        '  from=$data/few_$1 few $1 "" "${@:3}"\n'
        "}\n"
    ),
    reference="default",
)

# One recording a word

SYSTEMS = {
    "default": (BASE, ""),
    "dtw": ("--family dtw", ""),
    "0.1.0's few-speakers.conf": (OLD_FEW, TAKEN_ALONE),
}
KEYS = dict(zip(SYSTEMS, ("chmm", "dtw", "old_few")))


def one_each(count, system):
    name = f"{count} speaker{'s' * (count > 1)}"
    key = f"{KEYS[system]}_{count}"
    settings, decode = SYSTEMS[system]
    return Row(
        f"{name}: {system}",
        f'strangers {key} {count} "{decode}" {settings}\n',
        tuple((f"$data/few/{k}_test", f"$exp/once/{key}/{k}/decode") for k in DRAWS),
        against="" if system == "default" else f"{name}: default",
    )


FEW_STRANGERS = Section(
    "tidigits-few",
    "One recording a word of one to six persons, heard by others",
    "Of 1, 3 or 6 TIDIGITS speakers one recording a word is all there is; five draws of them, each tested on the words of the other 89 speakers of the\n"
    "table above. dtw keeps the recordings themselves as templates. p is against the default with as many speakers.",
    tuple(one_each(count, system) for count in (1, 3, 6) for system in SYSTEMS),
    prepare=(
        f"{LOOP}\n"
        "  for n in 1 3 6; do\n"
        "    head -n $n $data/few/$k.six > $data/few/$k.$n\n"
        "    asrkit subset-data $data/few/${k}_train $data/few/${k}_by_$n --spk-list $data/few/$k.$n\n"
        "    awk '!seen[substr($1, 1, length($1) - 1)]++ { print $1 }' $data/few/${k}_by_$n/text > $data/few/$k.once\n"
        "    asrkit subset-data $data/few/${k}_by_$n $data/few/${k}_once_$n --utt-list $data/few/$k.once\n"
        "  done\n"
        "done\n"
    ),
    functions=(
        "strangers() {  # strangers NAME SPEAKERS DECODE-OPTIONS TRAIN-OPTIONS...\n"
        f"  {LOOP}\n"
        '    asrkit train $data/few/${k}_once_$2 $exp/once/$1/$k "${@:4}"\n'
        "    asrkit decode $exp/once/$1/$k $data/few/${k}_test $exp/once/$1/$k/decode $3\n"
        "  done\n"
        "}\n"
    ),
)

# Noise and rooms

FOLD = f"{CV}/chmm/fold_1"
NOISE = Section(
    "noise",
    "Noise: clean training against training with noisy copies",
    "TIDIGITS' training words, the first of the five folds: white noise and babble of other speakers' words, both among the speakers that\n"
    "are tested, at 20 to 0 dB, and none. The noisy training adds one copy of each training word, in white noise or babble at 20, 15, 10 or 5 dB.\n"
    "What is learned of a speaker in one noise is not used in another: each word would help to hear its own copies.",
    tuple(
        Row(name, "", (("$data/noise/test", f"$exp/noise/{key}/{decode}"),))
        for key, name, decode in (
            ("0.1.0_clean", "0.1.0's default, clean training", "decode"),
            ("default_clean", "default, clean training, each recording alone", "alone"),
            ("default_clean", "default, clean training", "decode"),
            ("0.1.0_copies", "0.1.0's default, noisy copies", "decode"),
            ("default_copies", "default, noisy copies, each recording alone", "alone"),
            ("default_copies", "default, noisy copies", "decode"),
        )
    ),
    prepare=(
        f"asrkit perturb {FOLD}/test $data/noise/test --noise white,babble --snr 20,15,10,5,0 --grid true --keep-original true --nj 2\n"
        f"asrkit perturb {FOLD}/train $data/noise/copies --noise white,babble --snr 20,15,10,5 --nj 2\n"
        "for d in test copies; do asrkit compute-mfcc $data/noise/$d --config conf/mfcc.conf --nj 2; done\n"
        f"asrkit combine-data $data/noise/with_copies {FOLD}/train $data/noise/copies\n"
        "# a speaker in one noise is somebody else in another\n"
        "mkdir -p $data/noise/apart\n"
        "cp $data/noise/test/{text,feats.scp,frame_shift,frontend.conf} $data/noise/apart\n"
        "awk 'NR == FNR { of[$1] = $2; next } { print $1, $2 ($1 in of ? substr($1, length(of[$1]) + 1) : \"\") }' \\\n"
        "  $data/noise/test/utt2uniq $data/noise/test/utt2spk > $data/noise/apart/utt2spk\n"
        "noise() {  # noise NAME TRAIN DECODE-OPTIONS TRAIN-OPTIONS...\n"
        '  asrkit train $2 $exp/noise/$1 "${@:4}" --nj 2\n'
        "  asrkit decode $exp/noise/$1 $data/noise/apart $exp/noise/$1/decode $3 --nj 2\n"
        "  asrkit score $data/noise/test $exp/noise/$1/decode\n"
        "}\n"
        f'noise default_clean {FOLD}/train "" {BASE}\n'
        f'noise default_copies $data/noise/with_copies "" {BASE}\n'
        f'noise 0.1.0_clean {FOLD}/train "{TAKEN_ALONE}" {OLD["chmm"]}\n'
        f'noise 0.1.0_copies $data/noise/with_copies "{TAKEN_ALONE}" {OLD["chmm"]}\n'
        f"for m in default_clean default_copies; do asrkit decode $exp/noise/$m $data/noise/apart $exp/noise/$m/alone {ALONE} --nj 2; done\n"
        "asrkit report $exp/noise/report $data/noise/test $exp/noise/{0.1.0_clean,default_clean,0.1.0_copies,default_copies}/decode\n"
    ),
    reference="default, clean training",
    shows=("$exp/noise/report/table.txt",),
    pictures=(("$exp/noise/report/noise.png", "Word error rate against the signal-to-noise ratio."),),
)

REVERBERATION = (0.3, 0.6)
ROOM_SYSTEMS = {
    "default, clean training": ("default_clean", "decode"),
    "default, clean training, each recording alone": ("default_clean", "alone"),
    "default, copies in rooms": ("rooms", "decode"),
    "0.1.0's default, clean training": ("0.1.0_clean", "decode"),
    "0.1.0's default, copies in rooms": ("0.1.0_rooms", "decode"),
}
ROOMS = Section(
    "rooms",
    "Rooms: clean training against training with copies in rooms",
    "The same words in simulated rooms, another one for each recording, which reverberate for 0.3 or 0.6 s. The copies of each training word are in rooms\n"
    "of 0.2 to 0.8 s. p is against the default, clean training, in the same rooms.",
    tuple(
        Row(
            f"{seconds} s: {name}",
            "",
            ((f"$data/rooms/{seconds}", f"$exp/rooms/{key}/{seconds}_{decode}"),),
            against="" if name == "default, clean training" else f"{seconds} s: default, clean training",
        )
        for seconds in REVERBERATION
        for name, (key, decode) in ROOM_SYSTEMS.items()
    ),
    prepare=(
        f"for t in {' '.join(map(str, REVERBERATION))}; do asrkit perturb {FOLD}/test $data/rooms/$t --reverb $t --nj 2; done\n"
        f"asrkit perturb {FOLD}/train $data/rooms/copies --reverb 0.2,0.4,0.6,0.8 --nj 2\n"
        f"for d in {' '.join(map(str, REVERBERATION))} copies; do asrkit compute-mfcc $data/rooms/$d --config conf/mfcc.conf --nj 2; done\n"
        f"asrkit combine-data $data/rooms/with_copies {FOLD}/train $data/rooms/copies\n"
        f"asrkit train $data/rooms/with_copies $exp/rooms_of/rooms {BASE} --nj 2\n"
        f"asrkit train $data/rooms/with_copies $exp/rooms_of/0.1.0_rooms {OLD['chmm']} --nj 2\n"
        f"for t in {' '.join(map(str, REVERBERATION))}; do\n"
        "  asrkit decode $exp/noise/default_clean $data/rooms/$t $exp/rooms/default_clean/${t}_decode --nj 2\n"
        f"  asrkit decode $exp/noise/default_clean $data/rooms/$t $exp/rooms/default_clean/${{t}}_alone {ALONE} --nj 2\n"
        "  asrkit decode $exp/rooms_of/rooms $data/rooms/$t $exp/rooms/rooms/${t}_decode --nj 2\n"
        f"  asrkit decode $exp/noise/0.1.0_clean $data/rooms/$t $exp/rooms/0.1.0_clean/${{t}}_decode {TAKEN_ALONE} --nj 2\n"
        f"  asrkit decode $exp/rooms_of/0.1.0_rooms $data/rooms/$t $exp/rooms/0.1.0_rooms/${{t}}_decode {TAKEN_ALONE} --nj 2\n"
        "done\n"
    ),
)
