"""Sums of blocks: the same whether a run of them is added up here or elsewhere."""

from functools import reduce
from operator import add

import numpy as np
import pytest

from asrkit.words.sums import RUN, Sum, added


@pytest.mark.parametrize("count", [1, 2, RUN - 1, RUN, RUN + 1, 3 * RUN, 5 * RUN + 3])
def test_runs_that_are_added_up_elsewhere_change_no_bit(count):
    parts = list(np.random.default_rng(count).normal(size=(count, 50)) ** 5)
    elsewhere = Sum()
    for first in range(0, count, RUN):
        elsewhere.add_run(added(parts[first : first + RUN]))
    assert added(parts).tobytes() == elsewhere.total.tobytes()
    np.testing.assert_allclose(added(parts), np.sum(parts, axis=0), rtol=1e-12, atol=1e-12)
    if count <= RUN:
        assert added(parts).tobytes() == reduce(add, parts).tobytes()


def test_nothing_is_the_sum_of_nothing():
    assert added([]) is None
