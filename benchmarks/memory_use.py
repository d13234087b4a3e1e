"""What processes hold in memory, as Linux tells it: now, and the most since the mark was last reset."""

from __future__ import annotations

import re
from pathlib import Path

MIB = 1024


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    return _status(pid, "VmRSS")


def peak_mb(pid: int) -> float:
    """Return the most resident memory since `reset_peak`, in MB."""
    return _status(pid, "VmHWM")


def reset_peak(pid: int) -> None:
    """Let the mark of the most memory begin at what is held now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None, name
    return int(found[1]) / MIB
