"""An ordered map over processes. Results come back in the order of the work, whatever the number of jobs."""

import sys


def ordered_map(function, items, *, jobs=1, label=None):
    """Yield `function(item)` for every item, in order, with a progress bar on a terminal.

    Parameters
    ----------
    function : callable
        Must be importable by name (a module's function, or a functools.partial of one) when `jobs` > 1.
    items : iterable
        A generator is gone through as the work goes on.
    jobs : int
        Processes; 1 runs in this one.
    label : str, optional
        What the progress bar counts.
    """
    from tqdm import tqdm

    count = len(items) if hasattr(items, "__len__") else None
    if jobs > 1 and count != 1:
        import joblib

        results = joblib.Parallel(n_jobs=min(jobs, count or jobs), return_as="generator")(
            joblib.delayed(function)(item) for item in items
        )
    else:
        results = map(function, items)
    try:
        yield from tqdm(results, total=count, desc=label, disable=None, file=sys.stderr, leave=False)
    except BaseException:
        if jobs > 1:  # stopped in the middle: no process may outlive us
            from joblib.externals.loky import get_reusable_executor

            get_reusable_executor().shutdown(wait=False, kill_workers=True)
        raise
