"""What a benchmark found: figures with their units, ratios, and what was not as it must be; and the table of them."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ROUNDS = 3


@dataclass(frozen=True)
class Figure:
    key: str
    """Stable, with the unit in it: what the JSON file calls it."""
    value: float | int | bool | str
    words: str


@dataclass
class Findings:
    figures: list[Figure] = field(default_factory=list)
    ratios: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    """What must hold and did not; any makes the run fail."""

    def tell(self, key: str, value: float | int | bool | str, words: str) -> None:
        self.figures.append(Figure(key, _short(value), words))

    def ratio(self, name: str, ours: Iterable[float], theirs: Iterable[float]) -> None:
        """Median of the ratios of each round, where the two ran one after the other."""
        self.ratios[name] = _short(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)))

    def require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.faults.append(otherwise)

    def dump(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def parse(cls, stored: Mapping[str, Any]) -> Findings:
        return cls([Figure(**one) for one in stored["figures"]], dict(stored["ratios"]), list(stored["faults"]))


def _short(value: Any) -> Any:
    """Three significant digits; more would pretend."""
    return float(f"{value:.3g}") if isinstance(value, float) and value < 1000 else _whole(value)


def _whole(value: Any) -> Any:
    return round(value) if isinstance(value, float) else value


def rate(count: int, run: Callable[[], object], *, clock: Callable[[], float] = time.perf_counter) -> float:
    """How many a second, if `run` does `count` of them; with `time.process_time` for each second of one core."""
    started = clock()
    run()
    return count / (clock() - started)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


# --- the table -------------------------------------------------------------------------------------------------------


def format_table(found: Mapping[str, Findings]) -> str:
    lines = []
    for name, findings in found.items():
        lines += ["", name]
        lines += [f"  {format_value(figure.value):>12}  {figure.words}" for figure in findings.figures]
        lines += [f"  FAILED        {fault}" for fault in findings.faults]
    ratios = [(name, value) for findings in found.values() for name, value in findings.ratios.items()]
    if ratios:
        lines += ["", f"ratios within this run, median of {ROUNDS} interleaved rounds"]
        lines += [f"  {format_value(value):>12}  {name}" for name, value in ratios]
    return "\n".join(lines[1:])


def format_value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def print_progress(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
