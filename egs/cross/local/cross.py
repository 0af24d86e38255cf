#!/usr/bin/env python3
"""Stages 1 to 4: models of each corpus, what they hear of the others and of strangers of their own, and the table.

Every step is an asrkit command, which is told as it runs; what is finished is kept while its data and settings stay as they
were.

example: local/cross.py data exp --corpora fsdd tidigits
"""

import argparse
import contextlib
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]  # egs/cross
sys.path.insert(0, str(HERE.parent / "digits" / "local"))

from prepare_data import run  # noqa: E402
from results import read_decodings  # noqa: E402

from asrkit import __version__, families  # noqa: E402
from asrkit.errors import DataError  # noqa: E402
from asrkit.evaluation.advice import widest_interval  # noqa: E402
from asrkit.families.base import MLLR  # noqa: E402
from asrkit.io.data_dir import read_data_dir  # noqa: E402
from asrkit.io.files import atomic_write, c_sorted  # noqa: E402
from asrkit.io.json_file import read_object  # noqa: E402
from asrkit.io.runs import checksum, once  # noqa: E402
from asrkit.io.speakers import unknown_speakers  # noqa: E402
from asrkit.words.listening import CAUSAL, ListenConfig  # noqa: E402
from asrkit.words.settings import TrainingSettings  # noqa: E402
from asrkit.words.vocabulary import why_not_adaptable  # noqa: E402
from asrkit.workflows.crossval import RunSettings  # noqa: E402
from asrkit.workflows.decode import FILES as DECODED  # noqa: E402
from asrkit.workflows.train import FILES as TRAINED  # noqa: E402
from asrkit.workflows.train_codebook import FILES as CODEBOOK  # noqa: E402

STRANGERS = "strangers"  # the folder of a cross-validation
FOLDS = 5
NOBODY = "not known"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder of prepare.py's data directories")
    parser.add_argument("exp", type=Path, help="folder for models and results")
    parser.add_argument("--corpora", required=True, nargs="+", metavar="NAME")
    parser.add_argument("--train", nargs="+", metavar="NAME", help="those that models are trained on (all)")
    parser.add_argument("--family", default="chmm", choices=families.names())
    parser.add_argument("--pattern", default="{word}/{index}", help="what prepare.py was told")
    parser.add_argument("--nj", type=int, default=1)
    parser.add_argument("--stage", type=int, default=1)
    parser.add_argument("--stop-stage", type=int, default=len(STAGES))
    args = parser.parse_args()
    plan = Plan(args)
    try:
        for number, (name, work) in enumerate(STAGES.items(), 1):
            if args.stage <= number <= args.stop_stage:
                print(f"== stage {number}: {name}", file=sys.stderr)
                work(plan)
    except DataError as error:
        print(f"cross.py: error: {error}", file=sys.stderr)
        return 1
    return 0


class Plan:
    """Where things are, and what is typed to make them."""

    def __init__(self, args):
        self.corpora, self.trained = args.corpora, args.train or args.corpora
        self.family, self.exp, self.folder = args.family, args.exp, args.data
        self.pattern, self.jobs = args.pattern, ["--nj", args.nj]
        # How a corpus is heard: options of decode. What can't be moved to a speaker can be normalised by all he says.
        moves = why_not_adaptable(self.family, MLLR) is None
        self.ways = {
            "alone": ["--adapt", "none", "--cmvn-memory", "none"],
            CAUSAL: [],  # by default, of crossval too
            "whole": ["--adapt", "whole"] if moves else ["--adapt", "none", "--cmvn-memory", "whole"],
        }

    def data(self, name):
        return self.folder / name / "shared"

    def model(self, name):
        return self.exp / self.family / name

    def strangers(self, name):
        return self.model(name) / STRANGERS

    def pairs(self):
        """Pairs of a corpus that is trained on and another one."""
        return [(one, other) for one in self.trained for other in self.corpora if other != one]

    def training(self, data, exp):
        """The commands that train."""
        codebook = ["train-codebook", data, exp]
        return [
            *([codebook] if families.load(self.family).has_codes else []),
            ["train", data, exp, "--family", self.family],
        ]

    def decoding(self, model, data, way):
        return ["decode", model, data, model / f"decode_{data.parent.name}_{way}", *self.ways[way]]

    def crossvalidation(self, data, exp):
        found = read_data_dir(data)
        speakers = {found.speaker(utt) for utt in found.feats}
        by = ["--folds", min(FOLDS, len(speakers))] if len(speakers) > 1 else ["--by", "random"]
        return ["crossval", data, exp, "--family", self.family, *by]

    def fold_decoding(self, fold, way):
        return ["decode", fold, fold / "test", fold / f"decode_{way}", *self.ways[way]]

    def folds(self, name):
        """The folders of a corpus's folds."""
        exp = self.strangers(name)
        facts = read_object(exp / "crossval.json", {"folds": [dict]}, "run.sh --stage 3 --stop-stage 3")[
            "folds"
        ]
        return [exp / f"fold_{fold['name']}" for fold in facts]

    def decodings(self, one, other, way):
        """What was decoded of a corpus by the models of another, or of strangers by those of its own: pairs of data directory and decode folder."""
        if one != other:
            return [(self.data(other), self.decoding(self.model(one), self.data(other), way)[3])]
        if way == CAUSAL:
            return [(self.data(one), self.strangers(one))]
        return [(fold / "test", self.fold_decoding(fold, way)[3]) for fold in self.folds(one)]

    def report(self, one, other, way):
        return read_decodings(self.decodings(one, other, way))


def train(plan):
    """Train the models of each corpus."""
    results = [*(CODEBOOK if families.load(plan.family).has_codes else ()), *TRAINED]
    for number, name in enumerate(plan.trained, 1):
        exp, data = plan.model(name), plan.data(name)

        def work(exp=exp, data=data):
            for command in plan.training(data, exp):
                do(command, plan.jobs if command[0] == "train" else [])

        # What the settings are is a part of what was asked for: when a default changes, models are trained anew.
        settings = RunSettings(TrainingSettings.of(plan.family)).for_data(read_data_dir(data)).facts()
        files = [exp / result for result in results]
        kept = once(work, exp, settings, (data,), files, logged=False)["kept"]
        tell(number, plan.trained, f"trained on {name}{' (kept)' if kept else ''}")


def others(plan):
    """Decode each corpus by the models of each other."""
    for number, (one, other) in enumerate(pairs := plan.pairs(), 1):
        for way in plan.ways:
            decode(plan, plan.decoding(plan.model(one), plan.data(other), way))
        tell(number, pairs, f"trained on {one}, tested on {other}: {said(plan, one, other)}")


def strangers(plan):
    """Decode strangers of each corpus by models of its other speakers."""
    for number, name in enumerate(plan.trained, 1):
        do(plan.crossvalidation(plan.data(name), plan.strangers(name)), plan.jobs)
        for fold in plan.folds(name):
            for way in plan.ways:
                if way != CAUSAL:  # which crossval has decoded
                    decode(plan, plan.fold_decoding(fold, way))
        tell(number, plan.trained, f"strangers of {name}: {said(plan, name, name)}")


def decode(plan, command):
    """Run a decoding unless it was run of the same model and data."""
    _, model, data, out, *_ = command
    defaults = asdict(ListenConfig())  # of which nobody says anything on the command line
    facts = {"options": command[4:], "defaults": defaults, "model": checksum(model / "final.npz")}
    once(lambda: do(command, plan.jobs), out, facts, (data,), [out / name for name in DECODED], logged=False)


def do(command, jobs):
    """Run an asrkit command; what it prints is not the table."""
    with contextlib.redirect_stdout(sys.stderr):
        run(*command, *jobs)


def tell(number, items, what):
    """Say how far it is."""
    print(f"[{number}/{len(items)}] {what}", file=sys.stderr, flush=True)


def said(plan, one, other):
    reports = {way: plan.report(one, other, way) for way in plan.ways}
    counts = ", ".join(f"{way} {report.errors}" for way, report in reports.items())
    return f"{counts} of {report_words(reports)} words wrong"


def report_words(reports):
    return next(iter(reports.values())).num_words


def table(plan):
    """Write the page and print it."""
    text = "\n".join(page(plan))
    out = plan.exp / "RESULTS.md"
    with atomic_write(out) as stream:
        stream.write(f"{text}\n")
    print(text)
    print(f"the table is in {out.resolve()}", file=sys.stderr)


STAGES = {
    "train": train,
    "test on other corpora": others,
    "test on strangers of the same corpus": strangers,
    "table": table,
}

ABOUT = """Written by `egs/cross/run.sh`, never by hand: `egs/cross/run.sh {typed}`.
asrkit {version}. Models of one corpus, {family} with plain defaults (nothing is set but the features, `egs/digits/conf/mfcc.conf`), hear all of
each other corpus: other microphones, rooms and speakers. Where a corpus stands in parentheses it is tested with models of its own other
speakers, in {folds} folds of whole speakers (one a speaker where there are fewer; `by chance` where nobody says who speaks, or all is by one).
The words are those that all corpora have: {words}.

- **alone**: each recording by itself, nothing is known of who speaks (`decode {alone}`)
- **causal**: plain `decode`, which learns a speaker from his recordings as they come
- **whole**: all recordings of a speaker are heard first (`decode {whole}`); nobody says which words they hold

Wrong words, per cent, and in brackets the 95 % interval: as wide as that of words (Wilson) and that of whole speakers (bootstrap) together."""


def page(plan):
    """Lines of what was compared, the errors, and the commands."""
    data = {name: read_data_dir(plan.data(name)) for name in plan.corpora}
    about = ABOUT.format(
        typed=typed(plan),
        version=__version__,
        family=plan.family,
        folds=FOLDS,
        words=", ".join(c_sorted(set(data[plan.corpora[0]].text.values()))),
        alone=" ".join(plan.ways["alone"]),
        whole=" ".join(plan.ways["whole"]),
    )
    lines = ["# Other microphones, rooms and speakers", "", *about.splitlines(), ""]
    lines += ["| corpus | recordings | speakers |", "|---|---|---|"]
    lines += [f"| {name} | {len(part.feats)} | {speakers_of(part)} |" for name, part in data.items()]
    lines += ["", f"| trained on | tested on | words | {' | '.join(plan.ways)} |"]
    lines += ["|---" * (3 + len(plan.ways)) + "|"]
    for one in plan.trained:
        for other in plan.corpora:
            reports = {way: plan.report(one, other, way) for way in plan.ways}
            cells = [f"{report_words(reports)}", *map(cell, reports.values())]
            chance = " by chance" if speakers_of(data[one]) in (NOBODY, "1") else ""
            tested = f"({one}){chance}" if one == other else other
            lines.append(f"| {one} | {tested} | {' | '.join(cells)} |")
    return [*lines, "", "```bash", *commands(plan), "```"]


def typed(plan):
    """The options of run.sh, without the folders of this machine."""
    words = ["--corpora", ",".join(f"{name}=DIR" for name in plan.corpora), "--pattern", plan.pattern]
    if plan.trained != plan.corpora:
        words += ["--train", ",".join(plan.trained)]
    return shlex.join([*words, "--family", plan.family])


def speakers_of(data):
    return NOBODY if unknown_speakers(data) else str(len({data.speaker(utt) for utt in data.feats}))


def cell(report):
    low, high = widest_interval(report)
    return f"{report.errors}, {100 * report.wer:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def commands(plan):
    """What was run, for a corpus A and another, B."""
    data, exp = {name: Path("data") / name / "shared" for name in "AB"}, Path("exp") / plan.family / "A"
    fold = exp / STRANGERS / "fold_1"
    words = [
        *plan.training(data["A"], exp),
        *(plan.decoding(exp, data["B"], way) for way in plan.ways),
        ["crossval", data["A"], exp / STRANGERS, "--family", plan.family, "--folds", FOLDS],
        *(plan.fold_decoding(fold, way) for way in plan.ways if plan.ways[way]),
    ]
    return [" ".join(["asrkit", *map(str, command)]) for command in words]


if __name__ == "__main__":
    sys.exit(main())
