"""`python tests/make_checkpoint.py FAMILY DIR`: a small checkpoint with random weights, in its family's true layout.

Prints the path to give to `--model`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.model.layouts import FAMILIES

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("family", choices=FAMILIES)
parser.add_argument("folder", type=Path)
arguments = parser.parse_args()
print(FAMILIES[arguments.family](arguments.folder))
