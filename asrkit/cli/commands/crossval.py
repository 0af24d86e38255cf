"""Cross-validation: each fold of DIR is decoded by models trained on all the others -> EXP, a decode folder
of all of DIR.

A fold holds whole speakers (--by speaker, of about equal size; --folds 0: each alone), utterances by chance,
every word's spread over all folds (random), or what --fold-list says. The directories of --also-train, such
as perturbed copies or another corpus, are always in training, but for the speakers that only the fold's test
part has and the copies (utt2uniq) of its recordings.

Each fold is `asrkit train` (after `train-codebook`, where the family needs one) and `asrkit decode` with the
settings given here, in EXP/fold_NAME, where log holds what they said. A fold whose data and settings are
unchanged is kept: called again, the command goes on where it stopped. EXP can be given to score, compare and
report; EXP/crossval.json has the folds.
"""

import argparse
import functools
import json
import logging
from dataclasses import fields
from pathlib import Path

import numpy as np

from asrkit import families
from asrkit.cli.commands import decode, score, train, train_codebook
from asrkit.config import add_flag, from_args
from asrkit.errors import DataError, UsageError
from asrkit.evaluation import folds
from asrkit.evaluation.grids import codebook_options
from asrkit.evaluation.scoring import compute_errors, wer_lines
from asrkit.io.archive import read_scp
from asrkit.io.combine import combine, side_table
from asrkit.io.data_dir import ORIGINALS, read_data_dir, subset
from asrkit.io.features import ReadConfig, check_words, summary
from asrkit.io.files import atomic_write, c_sorted, read_table, remove
from asrkit.io.runs import once
from asrkit.models.codebook import CodebookConfig
from asrkit.runtime import ordered_map

EXAMPLE = """example:
  asrkit crossval data/train exp/cv_gmm --by speaker --family gmm --num-gauss 32 --nj 2
  asrkit crossval data/train exp/cv_aug --by speaker --also-train data/train_noise,data/train_speed --family gmm
"""

WORST = 3  # speakers that are named
PLACES = ("dir", "exp", "out")  # what does not decide about a result

log = logging.getLogger("asrkit")


def add_arguments(parser):
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp and text")
    parser.add_argument("exp", metavar="EXP", help="folder for the folds and the results")
    add_fold_arguments(parser)
    add_flag(parser, "nj", 1, "processes; folds are run side by side", minimum=1)
    train.add_settings(parser)
    decode.add_settings(parser)


def add_fold_arguments(parser):
    """What `tune` takes, too."""
    add_flag(parser, "by", "speaker", "what is held out", choices=("speaker", "random", "list"))
    add_flag(parser, "folds", 5, "number of folds; 0: one a speaker", minimum=0)
    parser.add_argument(
        "--fold-list", metavar="FILE", help="for --by list: lines `utterance-or-speaker fold`"
    )
    add_flag(parser, "also-train", "", "further data directories for training, with commas between")


def add_chosen_arguments(parser, argv):
    """The family's options, and those of its codebook; `train` has a --method, too, so that the codebook's
    gets another name.
    """
    train.add_chosen_arguments(parser, argv)
    family = train.chosen_family(argv)
    if family and families.load(family).OBSERVATIONS == "codes":
        group = parser.add_argument_group("codebook")
        for name, field in codebook_options().items():
            meta = field.metadata
            bounds = {"minimum": meta["minimum"], "maximum": meta["maximum"]}
            add_flag(
                group,
                name,
                field.default,
                meta["help"],
                meta["choices"],
                dest=f"codebook_{field.name}",
                **bounds,
            )


def main(args):
    exp = Path(args.exp)
    data, others, tested = read_folds(args)
    names = list(tested)
    folders = {name: exp / f"fold_{name}" for name in names}
    facts = {name: write_parts(data, others, tested[name], name, folders[name]) for name in names}
    runs = [(folder, folder / "train", folder / "test") for folder in folders.values()]
    for number, result in enumerate(
        ordered_map(functools.partial(run, args), runs, jobs=args.nj, label="folds")
    ):
        name = names[number]
        hyps = read_table(folders[name] / "decode_test" / "hyp")
        errors = sum(hyps.get(utt) != data.text[utt] for utt in tested[name])
        facts[name].update(errors=errors, words=len(tested[name]), seconds=result["seconds"])
        said = (
            "kept"
            if result["kept"]
            else f"{errors} of {len(tested[name])} words wrong, {result['seconds']:.1f} s"
        )
        log.info(
            "fold %d of %d%s: %s",
            number + 1,
            len(names),
            "" if name == str(number + 1) else f" ({name})",
            said,
        )
    hyps, skipped = gather(exp, [folder / "decode_test" for folder in folders.values()])
    with atomic_write(exp / "crossval.json") as stream:
        json.dump(
            {"by": args.by, "family": args.family, "folds": list(facts.values())},
            stream,
            indent=1,
            ensure_ascii=False,
        )
        stream.write("\n")
    report = compute_errors(data.text, hyps, {utt: data.speaker(utt) for utt in data.text}, "all")
    lines = [
        *table(facts.values()),
        *wer_lines(report),
        *score.notes(report, skipped),
        *worst_speakers(report),
    ]
    known = len({speaker for fact in facts.values() for speaker in fact["known_speakers"]})
    if known:
        both = f"{known} of {len(report.speakers)} speakers are in training, too, when they are tested"
        lines.append(f"{both}: of unknown speakers this says nothing")
    print("\n".join(lines))
    most = from_args(ReadConfig, args).max_skipped
    if len(skipped) > most:
        print(
            f"{summary('decoded', len(hyps), skipped)}: more than --max-skipped {most}; {exp / 'skipped'} says why"
        )
        return 1
    return 0


def read_folds(args):
    """The data directory, those that are always in training, and dict of each fold's name to its utterances."""
    data, tested = read_words(args.dir), {}
    for utt, name in folds_of(data, args).items():
        tested.setdefault(name, []).append(utt)
    names = sorted(
        tested, key=lambda name: (len(name), name.encode()) if name.isdigit() else (0, name.encode())
    )
    if len(names) < 2:
        raise DataError(
            f"{args.dir}: all in fold '{names[0]}', but cross-validation needs two (another --by or list)"
        )
    others = [read_words(directory) for directory in args.also_train.split(",") if directory]
    return data, others, {name: tested[name] for name in names}


def read_words(directory):
    """A data directory that can be trained on."""
    data = read_data_dir(directory, require=("text", "feats.scp"))
    check_words(data)
    return data


def folds_of(data, args):
    """Dict of utterance to the name of its fold."""
    if (args.by == "list") != (args.fold_list is not None):
        raise UsageError("--by list and --fold-list FILE go together")
    if args.folds == 1 or (args.folds == 0 and args.by != "speaker"):
        raise UsageError(
            f"--folds {args.folds}: at least 2 are needed (with --by speaker, 0 makes each speaker a fold)"
        )
    speakers = {utt: data.speaker(utt) for utt in data.feats}
    if args.by == "list":
        listed = read_table(args.fold_list, check_sorted=False)
        unknown = [key for key in listed if key not in speakers and key not in set(speakers.values())]
        if unknown:
            raise DataError(
                f"{args.fold_list}: '{unknown[0]}' is neither an utterance nor a speaker of {args.dir} (remove the line)"
            )
        fold_of, unnamed = folds.by_list(speakers, listed)
        if unnamed:
            raise DataError(
                f"{args.fold_list}: no fold for {len(unnamed)} utterances: '{unnamed[0]}', ... (add it or its speaker)"
            )
    else:
        units = speakers.values() if args.by == "speaker" else speakers
        if len(set(units)) < args.folds:
            there_are = f"{len(set(units))} {'speakers' if args.by == 'speaker' else 'utterances'}"
            raise DataError(
                f"{args.dir}: {args.folds} folds asked for, but there are {there_are} (ask for fewer)"
            )
        if args.by == "speaker":
            fold_of = folds.by_speaker(speakers, args.folds)
        else:
            words = {utt: data.text[utt] for utt in speakers}
            fold_of = folds.at_random(words, side_table(data, ORIGINALS, speakers), args.folds, args.seed)
    unfit = next(
        (name for name in fold_of.values() if not name or "/" in name or len(name.split()) != 1), None
    )
    if unfit is not None:
        raise DataError(f"fold '{unfit}': no name for a folder (--by list with other names)")
    return fold_of


def write_parts(data, others, tested, name, folder):
    """Write folder/test, the utterances `tested` of `data`, and folder/train, what may be trained on; a dict
    of facts.
    """
    originals = side_table(data, ORIGINALS, data.feats)
    heard = {*tested, *(originals[utt] for utt in tested if utt in originals)}
    rest = subset(data, set(data.feats) - set(tested))
    held_out = {data.speaker(utt) for utt in tested} - {data.speaker(utt) for utt in rest.feats}
    parts = []
    for part in (rest, *others):
        barred = folds.barred(
            {utt: part.speaker(utt) for utt in part.feats},
            side_table(part, ORIGINALS, part.feats),
            held_out,
            heard,
        )
        if barred:
            number = sum(reason == "speaker" for reason in barred.values())
            log.info(
                "fold %s: %d of %d utterances of %s left out of training: %d of the speakers held out, %d more of the recordings tested",
                name,
                len(barred),
                len(part.feats),
                part.path,
                number,
                len(barred) - number,
            )
        kept = subset(part, part.feats.keys() - barred.keys())
        if kept.feats:
            parts.append(kept)
    if not parts:
        raise DataError(f"{data.path}: fold '{name}': nothing is left to train on (fewer or other folds)")
    words = {word for part in parts for word in part.text.values()}
    lost = [utt for utt in tested if data.text[utt] not in words]
    if lost:
        log.warning(
            "fold %s: %d utterances say words that are not in its training ('%s', ...)",
            name,
            len(lost),
            data.text[lost[0]],
        )
    combine([subset(data, tested)], folder / "test")
    combine(parts, folder / "train")
    speakers = {data.speaker(utt) for utt in tested}
    known = speakers & {part.speaker(utt) for part in parts for utt in part.feats}
    return {
        "name": name,
        "speakers": c_sorted(speakers),
        "known_speakers": c_sorted(known),
        "train_utts": sum(len(part.feats) for part in parts),
        "test_utts": len(tested),
    }


def run(args, places):
    """Train on one data directory and decode another as the commands do, unless that was done already.

    Parameters
    ----------
    places : (Path, Path, Path)
        The folder for the models, the decoding (decode_test) and the log; what is trained on; what is tested.

    Returns
    -------
    dict
        "seconds" it took, and whether an earlier run was "kept".
    """
    folder, train_dir, test_dir = places
    steps = steps_of(args, folder, train_dir, test_dir)

    def work():
        remove(folder / "codebook.npz")  # which train would take
        remove(folder / "codebook.json")
        for name, command, settings in steps:
            print(f"# {name} {vars(settings)}", flush=True)
            # decode's status says that utterances were skipped, which is for the caller to judge
            command.main(settings)

    return once(
        work,
        folder,
        settings_of(steps),
        (train_dir, test_dir),
        (folder / "final.npz", folder / "decode_test" / "hyp"),
    )


def steps_of(args, folder, train_dir, test_dir):
    """The commands of a run and what each is given: [(name, module, Namespace)]."""
    own, steps = {"dir": str(train_dir), "exp": str(folder), "nj": 1}, []
    if families.load(args.family).OBSERVATIONS == "codes":
        codebook = {field.name: getattr(args, f"codebook_{field.name}") for field in fields(CodebookConfig)}
        steps.append(
            ("train-codebook", train_codebook, given(train_codebook, ["", ""], args, {**own, **codebook}))
        )
    steps.append(("train", train, given(train, ["", "", "--family", args.family], args, own)))
    decoding = {
        "exp": str(folder),
        "dir": str(test_dir),
        "out": str(folder / "decode_test"),
        "nj": 1,
        "method": "viterbi",
    }
    return [*steps, ("decode", decode, given(decode, ["", "", ""], args, decoding))]


def settings_of(steps):
    """What decides about the result of `steps_of`."""
    return [
        [name, {key: value for key, value in vars(own).items() if key not in PLACES}]
        for name, _, own in steps
    ]


def given(command, words, args, own):
    """What the command line would give to `command`: its defaults, our settings of the same names, and before
    all `own`.
    """
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    if hasattr(command, "add_chosen_arguments"):
        command.add_chosen_arguments(parser, words)
    known = vars(parser.parse_args(words))
    return argparse.Namespace(
        **{name: own.get(name, getattr(args, name, value)) for name, value in known.items()}
    )


def gather(out, decodings):
    """Write several decode folders as one; a word that one of them has no model for scores -inf there.
    Returns (hyps, skipped).
    """
    hyps, skipped, facts, known, entries = {}, {}, [], {}, {}
    for folder in decodings:
        hyps.update(read_table(folder / "hyp"))
        skipped.update(read_table(folder / "skipped"))
        facts.append(json.loads((folder / "decode.json").read_text(encoding="utf-8")))
        own = read_table(folder / "scores.scp")
        # Where the archive is now: EXP may have been moved.
        own = {utt: f"{folder / 'scores.ark'}:{spec.rpartition(':')[2]}" for utt, spec in own.items()}
        entries.update(own)
        known.update(dict.fromkeys(own, facts[-1]["words"]))
    words = c_sorted({word for fact in facts for word in fact["words"]})
    place = {word: i for i, word in enumerate(words)}

    def scores():
        for utt, row in read_scp({utt: entries[utt] for utt in c_sorted(entries)}):
            whole = np.full(len(words), -np.inf)
            whole[[place[word] for word in known[utt]]] = row
            yield utt, whole

    sums = {name: sum(fact[name] for fact in facts) for name in ("frames", "seconds")}
    decode.write_decoding(out, hyps, scores(), skipped, {**facts[0], **sums, "words": words})
    return hyps, skipped


def table(facts):
    """The lines of the table of folds."""
    width = max(4, *(len(fold["name"]) for fold in facts))
    lines = [f"{'fold':<{width}}  speakers   train    test  errors   WER %  seconds"]
    for fold in facts:
        lines.append(
            f"{fold['name']:<{width}}  {len(fold['speakers']):8d}  {fold['train_utts']:6d}  {fold['test_utts']:6d}  {fold['errors']:6d}"
            f"  {100 * fold['errors'] / fold['words']:6.2f}  {fold['seconds']:7.1f}"
        )
    return lines


def worst_speakers(report):
    wrong = [
        (-counts.errors / counts.words, name.encode(), name)
        for name, counts in report.speakers.items()
        if counts.errors
    ]
    worst = [(name, report.speakers[name]) for *_, name in sorted(wrong)[:WORST]]
    said = ", ".join(f"{name} {counts.errors} of {counts.words}" for name, counts in worst)
    return [f"most errors: {said}"] if said and len(report.speakers) > 1 else []
