"""What a table of RESULTS.md is made of: its rows, the commands that make them, and what many tables share."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One system: its name, the commands that make it, and its decodings, pairs (data directory, decode
    folder).

    A row without commands is made by the section's preparation, or by another row; a `late` one by those before it. `against` names
    the row that it is tested against, where that is not the section's reference.
    """

    name: str
    commands: str
    decodings: tuple
    late: bool = False
    against: str = ""


@dataclass(frozen=True)
class Curve:
    """A picture of a table's errors against a number: lines of (label, pairs (number, row name))."""

    axis: str
    lines: tuple


@dataclass(frozen=True)
class Section:
    """One table: `prepare` runs first, `functions` stand before each row's commands, `finish` runs last.

    `reference` names the row that the others are tested against; without one it is the best. Where rows say themselves what they are
    tested against, there is none.
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
    curve: Curve | None = None

    @property
    def count(self):
        """How many sets of commands there are."""
        return bool(self.prepare) + bool(self.finish) + sum(bool(row.commands) for row in self.rows)


FAMILIES = ("gmm", "dhmm", "chmm")
OLD = {family: f"--family {family} --config conf/0.1.0-{family}.conf" for family in FAMILIES}
OLD_FEW = "--family chmm --config conf/0.1.0-few-speakers.conf"
TAKEN_ALONE = "--adapt none"  # how 0.1.0 heard each recording: its models remember nothing of those before
ALONE = "--adapt none --cmvn-memory none"
SHUFFLE = (
    "shuffle() {  # shuffle SEED\n"
    '  python3 -c "import random, sys; x = sys.stdin.readlines(); random.Random($1).shuffle(x); sys.stdout.writelines(x)"\n'
    "}\n"
)


def crossval(row, directory, exp, settings, **more):
    """A row that is one cross-validation."""
    return Row(row, f"asrkit crossval {directory} {exp} {settings}\n", ((directory, exp),), **more)


def combined(row, exp, *decodes, data, **more):
    """A row that adds up the scores of others."""
    return Row(row, f"asrkit combine {exp} {' '.join(decodes)}\n", ((data, exp),), late=True, **more)


def recipe(name, title, text, corpus, source, given="", more=()):
    """The table of one run of the recipe, of what was 0.1.0's default on the same data, and of `more` rows."""
    data, exp = f"$data/{name}", f"$exp/{name}"
    test = f"{data}/test"
    rows = [Row(family, "", ((test, f"{exp}/{family}/decode_test"),)) for family in FAMILIES]
    decodes = [f"{exp}/{family}/decode_test" for family in ("chmm", "gmm")]
    rows += [
        combined("chmm + gmm", f"{exp}/sum", *decodes, data=test),
        Row(
            "0.1.0's chmm",
            f"asrkit train {data}/train {exp}/old {OLD['chmm']}{given}\n"
            f"asrkit decode {exp}/old {test} {exp}/old/decode_test {TAKEN_ALONE}\n",
            ((test, f"{exp}/old/decode_test"),),
        ),
        *more,
    ]
    command = f"./run.sh --corpus {corpus} --corpus-dir {source} --data {data} --exp {exp}\n"
    return Section(name, title, text, tuple(rows), prepare=command)
