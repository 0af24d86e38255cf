"""`python -m asrkit` is `asrkit`."""

import sys

from asrkit.cli import main

sys.exit(main())
