"""Rows of results, stored as JSON and shown as table cells."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.jobs.files import atomic_write
from common.jobs.workers import default_workers
from harness.timing import Times

RESULTS = Path(__file__).parents[1] / "results.json"

HEADER = ("what", "ours", "against", "ratio", "target")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured speed and its comparison with a peer."""

    name: str  # unique
    what: str  # the work and its input
    ours: float
    unit: str
    peer: float | None = None
    against: str = ""  # name of the peer
    ratio: float | None = None  # speed relative to the peer, or a share if `is_share`
    spread: tuple[float, float] | None = None  # smallest and largest ratio of a round
    rounds: int | None = None
    target: tuple[str, float] | None = None  # ">=" or "<=", and a ratio, or speed without a ratio
    is_share: bool = False
    equal: str = ""  # result of `harness.timing.require_equal`
    where: str = ""  # machine and data set

    @property
    def is_met(self) -> bool | None:
        """bool: whether the target is reached; None without a target."""
        if self.target is None:
            return None
        sign, wanted = self.target
        value = self.ours if self.ratio is None else self.ratio
        return value >= wanted if sign == ">=" else value <= wanted


def compared(
    name: str, what: str, times: Times, side: str, peer: str, *, unit: str, **details: Any
) -> Row:
    """Compare two sides of `times` by the median of the rounds' ratios.

    `unit` is ``"ms"`` or units of work per second, such as ``"segments/s"``. `details` are further
    attributes of `Row`.
    """
    ratios = times.ratios(side, peer)
    ours, theirs = (
        1000 * times.seconds_of(one) if unit == "ms" else times.rate_of(one) for one in (side, peer)
    )
    return Row(
        name=name,
        what=what,
        ours=ours,
        peer=theirs,
        against=peer,
        unit=unit,
        ratio=statistics.median(ratios),
        spread=(min(ratios), max(ratios)),
        rounds=len(ratios),
        **details,
    )


def machine() -> str:
    """Name the processor and its number of cores."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = (line for line in cpuinfo.read_text().splitlines() if line.startswith("model name"))
        model = next(names, f":{model}").partition(":")[2].strip()
    return f"{default_workers()} cores of {model}"


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write rows as JSON, by name."""
    content = {row.name: asdict(row) for row in rows}
    for entry in content.values():
        del entry["name"]
    with atomic_write(path) as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n")


def read_rows(path: Path = RESULTS) -> list[Row]:
    """Read rows that `write_rows` wrote."""
    rows = []
    try:
        for name, entry in json.loads(path.read_text(encoding="utf-8")).items():
            pairs = {key: tuple(entry[key]) for key in ("spread", "target") if entry[key]}
            rows.append(Row(name=name, **{**entry, **pairs}))
        return rows
    except FileNotFoundError:
        raise UserError(f"{path} is missing: make bench writes it") from None
    except (ValueError, TypeError, AttributeError, KeyError):
        raise UserError(f"{path} has another format: run make bench") from None


def _number(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def _ratio(value: float, row: Row) -> str:
    return f"{100 * value:.1f} %" if row.is_share else f"{_number(value)} ×"


def cells(row: Row) -> tuple[str, ...]:
    """Return the cells of a row in the order of `HEADER`."""
    ratio = target = ""
    if row.ratio is not None:
        ratio = _ratio(row.ratio, row)
        if row.spread:
            low, high = (_ratio(value, row)[:-2] for value in row.spread)
            ratio += f" [{low}–{high}]"
    if row.target:
        sign = {">=": "≥", "<=": "≤"}[row.target[0]]
        wanted = f"{row.target[1]:,.0f}" if row.ratio is None else _ratio(row.target[1], row)
        target = f"{sign} {wanted}{'' if row.is_met else ', missed'}"
    return (
        row.name,
        f"{_number(row.ours)} {row.unit}",
        f"{row.against}: {_number(row.peer)}" if row.peer is not None else row.against,
        ratio,
        target,
    )
