"""Run a lesson of docs/lessons as a reader does, without a screen and without real speech, and see what it made."""

import contextlib
import io
import os
import runpy
import time
from pathlib import Path
from unittest import mock

LESSONS = Path(__file__).resolve().parents[1] / "docs" / "lessons"


def run(name, folder):
    """Run `plot_{name}.py` in an empty working folder.

    Parameters
    ----------
    name : str
        As "03_gaussians".
    folder : Path
        Where it runs; whatever it writes stays there.

    Returns
    -------
    dict
        The lesson's names and what they stand for; `printed` is what it printed, `figures` counts its pictures.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.close("all")
    here, said, began = os.getcwd(), io.StringIO(), time.perf_counter()
    nothing = {"XDG_CACHE_HOME": str(folder / "cache"), "ASRKIT_FSDD": "", "ASRKIT_COURSE": ""}
    try:
        os.chdir(folder)
        with (
            mock.patch.dict(os.environ, nothing),
            mock.patch("sys.path", [str(LESSONS), *os.sys.path]),
            mock.patch.object(plt, "show"),  # warns without a screen
            contextlib.redirect_stdout(said),
        ):
            os.sys.modules.pop("speech", None)  # it reads the environment when it is imported
            names = runpy.run_path(str(LESSONS / f"plot_{name}.py"), run_name="__main__")
        for number in plt.get_fignums():
            plt.figure(number).draw_without_rendering()  # what is wrong with a picture shows only now
        names.update(printed=said.getvalue(), figures=len(plt.get_fignums()))
    finally:
        os.chdir(here)
        plt.close("all")
        matplotlib.rcdefaults()
    print(f"plot_{name}.py: {time.perf_counter() - began:.1f} s, {names['figures']} figures")
    return names


def check(name, folder, tests):
    """Run a lesson once, and hold what it computed against all functions `check_...` of `tests`, a module's globals.

    They are one test, for pytest's workers would share several among them, and each run the lesson anew.
    """
    lesson = run(name, folder)
    for own in [function for called, function in tests.items() if called.startswith("check_")]:
        own(lesson)
