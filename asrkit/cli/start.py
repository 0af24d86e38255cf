"""The program `asrkit`: it hears signals before anything else is imported, and until it has ended."""

import gc
import os
import sys

try:
    from asrkit.cli.signals import end, watch
except KeyboardInterrupt:  # Python's own, before we are asked
    os.write(2, b"asrkit: interrupted\n")
    os._exit(130)


def main():
    watch()
    gc.disable()  # until all is imported: it stays, and to look meanwhile for what nobody needs takes a tenth of the start
    from asrkit.cli.main import main as run  # late: the signals first

    return end(run(sys.argv[1:]))
