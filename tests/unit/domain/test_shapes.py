"""First decodes of one type by many threads. In a process of its own each: what went wrong before was its death."""

import subprocess
import sys

RACE = """
import sys, threading
from msgspec import defstruct
from radius.domain.shapes import decoder

sys.setswitchinterval(1e-6)
inner = [defstruct(f"Inner{n}", [(f"field{m}", int, 0) for m in range(8)]) for n in range(100)]
Outer = defstruct("Outer", [(f"field{n}", shape | None, None) for n, shape in enumerate(inner)])
ready, seen = threading.Barrier(8), []

def first():
    ready.wait()
    seen.append(decoder(Outer).decode(b'{"field99": {"field7": 1}}').field99.field7)

threads = [threading.Thread(target=first) for _ in range(8)]
[one.start() for one in threads]
[one.join() for one in threads]
assert seen == [1] * 8, seen
"""


def test_whoever_decodes_first_does_not_end_the_process_for_the_others() -> None:
    """With `msgspec.json.decode(..., type=Outer)` in its place three runs of five died of SIGSEGV."""
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
