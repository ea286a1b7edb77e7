"""How long threads of the model that have nothing to do keep a processor busy. Imports nothing, torch least of all."""

from __future__ import annotations

import os

_SPINS = "10000"
"""Some tenths of a millisecond, by the processor's manual: longer than the gaps within a forward pass.

Behind each pass GNU's OpenMP waits 300,000 turns if it is told nothing (libgomp manual, "GOMP_SPINCOUNT"). On two cores
that held up the thread that answers the editor: of everything around the model the 95th percentile went from 10.5 to
7.8 ms with 30,000 turns and to 7.6 with 5,000. Passes took as long as before; with 300 turns they took longer.
"""


def spin_briefly() -> None:
    """Let such threads sleep soon, unless the person has said how they are to wait; before torch is imported."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
