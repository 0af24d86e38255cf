"""`python -m asrkit` is `asrkit`."""

import sys

from asrkit.cli.start import main

if __name__ == "__main__":  # worker processes import this file, too, under another name
    sys.exit(main())
