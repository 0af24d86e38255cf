"""How typical is each phone? EXP's mixtures score the phones of a data directory -> OUT/phones.tsv (MixGoP).

phones.tsv has a line a phone: loglik, log P(frames | phone), is the paper's score; posterior is log P(phone |
frames) among all phones that have a model, their shares of the training tokens the priors; ratio is loglik
less that of the strongest other phone,
`rival`; z and pct say where loglik stands among the tokens that the phone was trained on (few tokens in many
dimensions are learnt by heart: then any other is far below them); comp is the Gaussian that explains the
token best. A phone that can't be scored has nan, and is counted with its reason.

A model with baselines (asrkit mixgop train --baselines) adds their columns at the end. Of the logistic
regression: gmm_gop, the log posterior of the phone; nn_gop, that less the log posterior of the likeliest
phone; dnn_gop, the posterior over the phone's prior; maxlogit, its log. knn is minus the distance to a near
training token of the phone (one in ten is as near or nearer), svm the decision of the phone's one-class
support vector machine. Where each frame is a token, they are means over a phone's frames.

words.tsv, utterances.tsv and speakers.tsv have the mean, least and 10th percentile of every kind over the
phones that have scores. The scores are no diagnosis: voice, channel and room move them, too.

--textgrid writes OUT/textgrid/UTT.TextGrid for Praat as well: tiers of the words, the phones, and of each
kind of score (a phone without one is empty there; a / in a name becomes %2F). Those of an earlier scoring are
removed, with the flag and without.
"""

import contextlib
import functools
import itertools
from collections import Counter
from pathlib import Path

import numpy as np

from asrkit.cli.commands.mixgop_train import add_frame_shift, model_frame_shift_s, unpaired
from asrkit.config import add_flag, add_options, from_args
from asrkit.io.alignment import read_alignment, utterance_lengths
from asrkit.io.features import ReadConfig, read_features, summary
from asrkit.io.files import atomic_write, remove, write_table
from asrkit.io.mixgop_file import read_mixgop
from asrkit.io.score_textgrid import remove_score_textgrids, write_score_textgrids
from asrkit.phones.baselines import kinds_of, score_baselines
from asrkit.phones.mixgop import KINDS, PhoneBank, summarise
from asrkit.phones.tokens import NO_MODEL, REASONS, Tokens
from asrkit.runtime import ordered_map

EXAMPLE = "example: asrkit mixgop score exp/mixgop data/patients ali/patients exp/mixgop/score_patients"

ROWS = 12288  # frames of the tokens that are scored together
PHONE_COLUMNS = ("utt", "word", "idx", "phone", "start", "end", *KINDS, "comp", "rival", "n_frames")
TABLES = {  # their first columns: those of the baselines, or of what is summed up, come behind
    "phones": PHONE_COLUMNS,
    "words": ("utt", "idx", "word", "start", "end"),
    "utterances": ("utt", "speaker"),
    "speakers": ("speaker", "n_utts"),
}


def add_arguments(parser):
    parser.add_argument("exp", metavar="EXP", help="folder with final.npz, or a model file")
    parser.add_argument("dir", metavar="DIR", help="data directory with feats.scp")
    parser.add_argument("ali", metavar="ALI", help="folder with phones.ctm, or a CTM file")
    parser.add_argument("out", metavar="OUT", help="folder for the tables, best inside EXP")
    add_flag(
        parser,
        "posterior",
        True,
        "score against all phones; false leaves posterior, ratio and rival out (nan) and is much quicker",
    )
    add_flag(parser, "textgrid", False, "write OUT/textgrid/UTT.TextGrid too, the scores as tiers")
    add_frame_shift(parser)
    add_flag(parser, "nj", 1, "processes", minimum=1)
    add_options(parser, ReadConfig)


def main(args):
    read, phone_set = from_args(ReadConfig, args), read_mixgop(args.exp)
    alignment = read_alignment(args.ali)
    features = read_features(args.dir, frontend=phone_set.frontend, allow_pipes=read.allow_pipes)
    shift_s = model_frame_shift_s(args, features, phone_set)
    bank = PhoneBank(phone_set.models, phone_set.config.frame_power)
    blocks = cut_blocks(phone_set, features, alignment)
    score = functools.partial(score_block, bank, phone_set.baselines, args.posterior)
    results = ordered_map(score, blocks, jobs=args.nj, label=f"about {ROWS} tokens a step")
    remove_score_textgrids(args.out)  # of an earlier scoring: must not stand beside new tables
    scored, reasons, num_utts = write_tables(
        Path(args.out), bank.phones, kinds_of(phone_set.baselines), features.data, alignment, results
    )
    if args.textgrid:
        ends = {
            utt: round(frames * shift_s, 6) for utt, frames in features.lengths.items()
        } | utterance_lengths(features.data)
        write_score_textgrids(args.out, (*KINDS, *kinds_of(phone_set.baselines)), ends)
    skipped = {**unpaired(features.data, alignment), **features.skipped}
    write_table(Path(args.out) / "skipped", skipped)
    why = ", ".join(f"{reason}: {count}" for reason, count in sorted(reasons.items()))
    print(
        f"scored {scored} phones of {num_utts} utterances, skipped {reasons.total()}"
        + (f" ({why})" if why else "")
    )
    if skipped:
        print(summary("utterances scored", num_utts, skipped))
    if len(skipped) > read.max_skipped:
        print(
            f"more utterances skipped than --max-skipped {read.max_skipped}; {Path(args.out) / 'skipped'} says why"
        )
        return 1
    return 0


def cut_blocks(phone_set, features, alignment):
    """Yield (utterances, their Tokens), whole utterances of about `ROWS` rows together: cut by the data, not
    by the jobs.
    """
    place = {name: label for label, name in enumerate(phone_set.models)}
    utts, some, rows = [], [], 0
    for utt, feats in features:
        if utt not in alignment:
            continue
        phones = alignment[utt]
        labels = [place.get(phone.label, -1) for phone in phones]
        times = np.array([(phone.start_s, phone.end_s) for phone in phones])
        utts.append(utt)
        some.append(phone_set.cut(feats, labels, *times.T))
        rows += len(some[-1].obs)
        if rows >= ROWS:
            yield utts, Tokens.join(some)
            utts, some, rows = [], [], 0
    if utts:
        yield utts, Tokens.join(some)


def score_block(bank, baselines, posterior, block):
    """The utterances of a block, why their phones have no scores, of how many frames they are, the Scores,
    and those of the baselines.
    """
    utts, tokens = block
    return (
        utts,
        tokens.faults,
        tokens.frames,
        bank.score(tokens, posterior),
        score_baselines(baselines, tokens),
    )


def table_columns(more_kinds):
    """The names of each table's columns; the baselines' come last."""
    sums = (
        "n_scored",
        "n_skipped",
        *(f"{kind}_{what}" for kind in (*KINDS, *more_kinds) for what in ("mean", "min", "p10")),
    )
    return {name: (*columns, *(more_kinds if name == "phones" else sums)) for name, columns in TABLES.items()}


def write_tables(out, names, more_kinds, data, alignment, results):
    """Write the four tables as the results come; how many phones have scores, why others have none, and how
    many utterances came.
    """
    for name in TABLES:  # of an earlier scoring: must not stand beside new ones if this one breaks off
        remove(out / f"{name}.tsv")
    scored, reasons, num_utts, by_speaker = 0, Counter(), 0, {}
    with contextlib.ExitStack() as stack:
        streams = {name: stack.enter_context(atomic_write(out / f"{name}.tsv")) for name in TABLES}
        for name, columns in table_columns(more_kinds).items():
            streams[name].write("\t".join(columns) + "\n")
        for utts, faults, frames, scores, more in results:
            table = np.concatenate([scores.table(), more], axis=1)
            first = 0
            for utt in utts:
                phones = alignment[utt]
                mine = slice(first, first + len(phones))
                rivals = [names[rival] if rival >= 0 else "nan" for rival in scores.rival[mine]]
                write_phones(
                    streams["phones"], utt, phones, table[mine], scores.comp[mine], rivals, frames[mine]
                )
                write_words(streams["words"], utt, phones, table[mine])
                write_row(streams["utterances"], utt, data.speaker(utt), *summary_fields(table[mine]))
                by_speaker.setdefault(data.speaker(utt), []).append(table[mine])
                reasons.update(
                    reason(faults[first + idx], phones[idx]) for idx in np.flatnonzero(faults[mine])
                )
                first += len(phones)
            scored += int((faults == 0).sum())
            num_utts += len(utts)
        for speaker in sorted(by_speaker):
            own = by_speaker[speaker]
            write_row(streams["speakers"], speaker, len(own), *summary_fields(np.concatenate(own)))
    return scored, reasons, num_utts


def reason(fault, phone):
    return f"{REASONS[fault]} of {phone.label}" if fault == NO_MODEL else REASONS[fault]


def write_row(stream, *fields):
    stream.write(
        "\t".join(f"{field:.10g}" if isinstance(field, float) else str(field) for field in fields) + "\n"
    )


def write_phones(stream, utt, phones, table, comps, rivals, frames):
    rows = zip(phones, table.tolist(), comps.tolist(), rivals, frames.tolist(), strict=True)
    for idx, (phone, scores, comp, rival, count) in enumerate(rows):
        facts = (comp if comp >= 0 else "nan", rival, count)
        write_row(
            stream,
            utt,
            phone.word,
            idx,
            phone.label,
            phone.start_s,
            phone.end_s,
            *scores[: len(KINDS)],
            *facts,
            *scores[len(KINDS) :],
        )


def write_words(stream, utt, phones, table):
    """A line for each run of phones of one word; `idx` is the word's place in the utterance."""
    runs = [
        list(run)
        for index, run in itertools.groupby(range(len(phones)), key=lambda i: phones[i].word_index)
        if index >= 0
    ]
    for idx, run in enumerate(runs):
        first, end_s = phones[run[0]], max(phones[i].end_s for i in run)
        write_row(stream, utt, idx, first.word, first.start_s, end_s, *summary_fields(table[run]))


def summary_fields(table):
    """n_scored, n_skipped, and what `summarise` says of each kind."""
    scored = int((~np.isnan(table[:, 0])).sum())
    return scored, len(table) - scored, *summarise(table).ravel().tolist()
