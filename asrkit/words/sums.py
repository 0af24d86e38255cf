"""How the sums of a word's blocks are added up: by runs of blocks, whoever adds them and wherever."""

import operator

RUN = 8  # blocks that are added up by themselves: one result of a worker, in place of eight


class Sum:
    """A sum of parts in their order: ((p0 + … + p7) + (p8 + … + p15)) + …

    Floating-point sums depend on their order. This one is fixed by the data and lets a run be added up in another process; up to `RUN`
    parts it is the plain sum from left to right.

    Parameters
    ----------
    plus : callable, optional
        Adds two parts, or two sums of them.
    """

    def __init__(self, plus=operator.add):
        self._plus, self._whole, self._run, self._count = plus, None, None, 0

    def add(self, part):
        """Add the next part."""
        if self._count == RUN:
            self.add_run(self._run)
            self._run, self._count = None, 0
        self._run, self._count = part if self._run is None else self._plus(self._run, part), self._count + 1

    def add_run(self, run):
        """Add the sum of the next `RUN` parts, or of those that are left."""
        self._whole = run if self._whole is None else self._plus(self._whole, run)

    @property
    def total(self):
        """The sum of all that came; None of nothing."""
        if self._run is None:
            return self._whole
        return self._run if self._whole is None else self._plus(self._whole, self._run)


def added(parts, plus=operator.add):
    """Add parts up as `Sum` does."""
    own = Sum(plus)
    for part in parts:
        own.add(part)
    return own.total
