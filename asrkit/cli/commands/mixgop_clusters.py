"""What do the components of a phone's mixture stand for? Size, neighbours and exemplars of each -> a table;
and ANMI.

SCORES is a folder of `asrkit mixgop score`. A token belongs to its best component (the column comp). The
table names, for every component of every phone, its tokens and their share, the commonest neighbours on the
left and on the right with their shares (# is the edge of the utterance, or silence), and the tokens with the
highest log-likelihood, as utt:start-end in seconds.

ANMI = I(environment; component) / H(environment), averaged over phones (Choi et al. 2025): 0 if the
neighbours say nothing about the component, 1 if the component says which environment it was. The environment
is the pair of neighbours: the phones themselves, or with --environment manner their classes (vowel, stop, …;
of ARPAbet, or those of --classes). Few tokens in many environments overstate it; `by chance` is what the same
counts give when components are dealt out at random.
"""

from pathlib import Path

import numpy as np

from asrkit.config import add_flag
from asrkit.errors import DataError, UsageError
from asrkit.io.files import read_table
from asrkit.io.ratings import read_scores
from asrkit.phones.allophones import anmi, clusters, manners, neighbours

EXAMPLE = """example:
  asrkit mixgop clusters exp/mixgop/score_train
  asrkit mixgop clusters exp/mixgop/score_train --phones T,L --environment manner
"""


def add_arguments(parser):
    parser.add_argument("scores", metavar="SCORES", help="folder of asrkit mixgop score")
    add_flag(parser, "phones", "", "phones to show, with commas between; empty: all")
    add_flag(
        parser, "environment", "phones", "what a neighbour counts as, for ANMI", choices=("phones", "manner")
    )
    parser.add_argument(
        "--classes",
        metavar="FILE",
        help="`phone class` a line, for --environment manner (default: those of ARPAbet)",
    )
    add_flag(parser, "min-tokens", 50, "phones with fewer tokens have no part in ANMI", minimum=2)
    add_flag(parser, "exemplars", 3, "tokens to name for a component", minimum=0)
    add_flag(parser, "contexts", 3, "neighbours to name for a component", minimum=1)
    add_flag(parser, "seed", 0, "seed of ANMI by chance", minimum=0)


def main(args):
    if args.classes and args.environment != "manner":
        raise UsageError("--classes goes with --environment manner")
    scores = read_scores(Path(args.scores), ("loglik",))
    columns = scores.columns
    for name in ("comp", "start", "end"):
        if name not in columns:
            raise DataError(f"{scores.path}:1: no column '{name}' (asrkit mixgop score writes it anew)")
    left, right = neighbours(columns["utt"], columns["phone"], columns["start"], columns["end"])
    known = np.array([comp.isdigit() for comp in columns["comp"]], dtype=bool) & ~np.isnan(columns["loglik"])
    if not known.any():
        raise DataError(f"{scores.path}: no phone has a component (is a model there for these phones?)")
    phones, left, right = columns["phone"][known], left[known], right[known]
    components = columns["comp"][known].astype(np.int64)
    places = np.flatnonzero(known)
    wanted = [phone for phone in args.phones.split(",") if phone]
    strange = [phone for phone in wanted if phone not in set(phones)]
    if strange:
        raise DataError(
            f"{scores.path}: no scored token of {', '.join(strange)}; it has {' '.join(sorted(set(phones)))}"
        )
    rows = clusters(phones, components, left, right, columns["loglik"][known], args.exemplars, args.contexts)
    cells = [("phone", "component", "n", "share", "left", "right", "exemplars")]
    for row in rows:
        if not wanted or row["phone"] in wanted:
            tokens = [token(columns, places[i]) for i in row["exemplars"]]
            cells.append(
                (
                    row["phone"],
                    str(row["component"]),
                    str(row["n"]),
                    f"{100 * row['share']:.0f} %",
                    named(row["left"]),
                    named(row["right"]),
                    " ".join(tokens),
                )
            )
    widths = [max(map(len, column)) for column in zip(*cells)]
    for line in cells:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths)).rstrip())
    print(
        "\n".join(anmi_lines(phones, components, environments(left, right, args), int(np.sum(~known)), args))
    )
    return 0


def environments(left, right, args):
    if args.environment == "manner":
        manner_of = read_table(args.classes, check_sorted=False) if args.classes else None
        try:
            left, right = manners(left, manner_of), manners(right, manner_of)
        except ValueError as error:
            raise DataError(
                f"{args.classes or '--environment manner'}: {error} (name them in --classes FILE, `phone class` a line)"
            ) from None
    return np.array([f"{a} {b}" for a, b in zip(left, right)])


def anmi_lines(phones, components, environments, unscored, args):
    found = anmi(phones, components, environments, args.min_tokens, seed=args.seed)
    pair = "phone" if args.environment == "phones" else "class"
    lines = [
        f"ANMI {found.value:.3f}, by chance {found.chance:.3f}: {len(found.by_phone)} phones, environment ({pair} on the left, {pair} on the right)"
        if found.by_phone
        else "ANMI: no phone to average over"
    ]
    if found.left_out:
        lines.append("not in it: " + ", ".join(f"{phone} ({why})" for phone, why in found.left_out.items()))
    if unscored:
        lines.append(f"left out: {unscored} phones without a score")
    return lines


def token(columns, line):
    return f"{columns['utt'][line]}:{columns['start'][line]:.2f}-{columns['end'][line]:.2f}"


def named(contexts):
    return " ".join(f"{phone} {100 * share:.0f}%" for phone, share in contexts)
