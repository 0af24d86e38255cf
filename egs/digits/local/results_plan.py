"""What RESULTS.md shows: its tables, in order. Data only; results.py runs them.

The commands are bash, run in egs/digits. $fsdd and $course are the corpora, $data and $exp folders for what
is made of them.
"""

from results_course import COURSE, COURSE_CV
from results_fsdd import CROSS, FSDD, OWN, PERSONAL, RECORDINGS, STRANGERS
from results_tidigits import ABLATION, FEW_STRANGERS, NOISE, ROOMS, SPEAKERS, TIDIGITS, TIDIGITS_CV

SECTIONS = (
    TIDIGITS,
    TIDIGITS_CV,
    SPEAKERS,
    ABLATION,
    FEW_STRANGERS,
    FSDD,
    STRANGERS,
    RECORDINGS,
    PERSONAL,
    OWN,
    CROSS,
    NOISE,
    ROOMS,
    COURSE,
    COURSE_CV,
)
