"""``python -m hostkernel``, the same as the command ``hostkernel``."""

import sys

from hostkernel.cli import main

sys.exit(main())
