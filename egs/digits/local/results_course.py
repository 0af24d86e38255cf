"""Tables of the ASR course's task, its features as given."""

from results_rows import FAMILIES, OLD, TAKEN_ALONE, Section, crossval, recipe

GIVEN = " --delta-order 0"

COURSE = recipe(
    "course",
    "The ASR course's task: 330 training and 110 test words, other speakers, features as given",
    "The course's own 39-dimensional features of 330 TIDIGITS words of its training speakers; tested on 110 words of others.",
    "course",
    '"$course"',
    GIVEN,
)

DATA, EXP = "$data/course/train", "$exp/course_cv"
COURSE_CV = Section(
    "course-cv",
    "The course's training words, five folds of whole speakers, and how many are needed",
    "The 330 training words; and the errors on the 110 test words against the number of training utterances a word (chmm, three draws of each\n"
    "number).",
    (
        *(crossval(family, DATA, f"{EXP}/{family}", f"--family {family}{GIVEN}") for family in FAMILIES),
        crossval("0.1.0's chmm", DATA, f"{EXP}/old", f"{OLD['chmm']}{GIVEN} {TAKEN_ALONE}"),
    ),
    finish=f"asrkit learning-curve {DATA} $data/course/test $exp/course_curve --family chmm{GIVEN} --nj 2\n",
    pictures=(
        (
            "$exp/course_curve/learning-curve.png",
            "Word error rate on the 110 test words against the training utterances a word.",
        ),
    ),
)
