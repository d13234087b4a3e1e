"""A measured figure beside what it has to reach."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One number. `least` or `most` is the bound it is held against, if any."""

    name: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def is_reached(self) -> bool:
        """True when the bound holds."""
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    def line(self) -> str:
        """Return the figure as a line of the report."""
        bound = f">= {self.least:g}" if self.least is not None else f"<= {self.most:g}" if self.most is not None else ""
        verdict = "" if not bound else "reached" if self.is_reached else "MISSED"
        value = f"{self.value:,.0f}" if self.value >= 100 else f"{self.value:.2f}"
        return f"{self.name:<52} {value:>12} {self.unit:<12} {bound:<10} {verdict}"
