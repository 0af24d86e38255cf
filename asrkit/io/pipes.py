"""Shell commands in scp files (`sox x.wav -t wav - |`): refused unless asked for, and a command that fails is an error."""

import os

from asrkit.errors import DataError


def is_pipe(spec):
    """Whether an scp entry is a shell command (`cat x.ark |`) instead of a file."""
    return spec.strip().endswith("|") or spec.strip().startswith("|")


def refuse_pipe(spec, allow_pipes):
    if is_pipe(spec) and not allow_pipes:
        raise DataError(
            f"'{spec}' is a shell pipe and would run a command (allow_pipes=true if you trust it)"
        )


def run_pipe(spec, allow_pipes):
    """Run the command of an scp entry: all that it writes to its standard output.

    Kaldi calls popen, and only warns of a status that is not 0; the half of a recording that came before it would be
    taken for the whole.

    Returns
    -------
    bytes

    Raises
    ------
    DataError
        Pipes are not allowed, or the command, or any command of a pipeline, failed, or it wrote nothing.
    """
    import shutil  # late, these and below: few data have pipes
    import signal
    import subprocess

    refuse_pipe(spec, allow_pipes)
    command = spec.strip().removesuffix("|") if spec.strip().endswith("|") else spec.strip()[1:]
    # bash alone can say that a command failed before the last one of a pipeline. Windows' bash is of another system.
    bash = shutil.which("bash") if os.name == "posix" else None
    try:
        ran = subprocess.run(
            [bash, "-o", "pipefail", "-c", command] if bash else command,
            shell=not bash,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except (OSError, ValueError) as error:  # an argument too long; a NUL
        raise DataError(f"'{spec}': the command does not run: {error} (correct it)") from None
    # `sox long.wav - | head -c 1000`: sox is stopped once head has enough, and that is no fault.
    failed = ran.returncode and not (bash and ran.returncode == 128 + signal.SIGPIPE)
    if not failed and ran.stdout:
        return ran.stdout
    fate = f"ended with status {ran.returncode}" if ran.returncode >= 0 else f"was killed by {_signal(ran)}"
    said = [line for line in ran.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    why = f", saying: {said[-1].strip()[:200]}" if said else ""
    nothing = "" if ran.stdout else " and gave nothing"
    raise DataError(f"'{spec}': the command {fate}{nothing}{why} (try it in a shell)")


def _signal(ran):
    import signal

    try:
        return signal.Signals(-ran.returncode).name
    except ValueError:
        return f"signal {-ran.returncode}"
