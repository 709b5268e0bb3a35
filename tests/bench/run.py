"""The bench: one command, one box, one run, one table. See `run.py --help`.

Figures are for comparison within one run: the box, its neighbours and the load generator are in all of them.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.cli import main  # the repository must be importable first, from any folder

if __name__ == "__main__":
    sys.exit(main())
