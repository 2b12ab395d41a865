"""``python -m nnsearch`` is the ``nnsearch`` command."""

import sys

from nnsearch.cli import main

sys.exit(main())
