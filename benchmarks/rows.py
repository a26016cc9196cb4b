"""The rows of the benchmarks: what was measured, kept as JSON, shown as a table."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from timing import Times

from common.errors import UserError
from common.jobs.files import atomic_write
from common.jobs.workers import default_workers

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One speed, and what it is compared with.

    Attributes
    ----------
    name : str
        Unique among all rows.
    what : str
        What was run, on what.
    ours : float
        In `unit`.
    unit : str
    peer : float, optional
        What `ours` is compared with, in the same unit.
    against : str
        What the peer is.
    ratio : float, optional
        How many times as fast as the peer ours is; where `is_share`, a share that speaks for
        itself.
    spread : (float, float), optional
        The smallest and largest ratio of a round.
    rounds : int, optional
    target : (str, float), optional
        ``">="`` or ``"<="``, and what the ratio shall be; where there is no ratio, `ours`.
    is_share : bool
    is_headline : bool
        Whether the README shows it.
    equal : str
        How equal the results were that were compared before.
    where : str
        The machine and the data.
    """

    name: str
    what: str
    ours: float
    unit: str
    peer: float | None = None
    against: str = ""
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    rounds: int | None = None
    target: tuple[str, float] | None = None
    is_share: bool = False
    is_headline: bool = True
    equal: str = ""
    where: str = ""

    @property
    def is_met(self) -> bool | None:
        """bool: whether the target is reached; None where there is none."""
        if self.target is None:
            return None
        sign, wanted = self.target
        value = self.ours if self.ratio is None else self.ratio
        return value >= wanted if sign == ">=" else value <= wanted


def compared(
    name: str, what: str, times: Times, side: str, peer: str, *, unit: str, **details: Any
) -> Row:
    """Make a row of two sides that were timed in turns.

    Parameters
    ----------
    name, what : str
    times : Times
    side, peer : str
        Of `times`.
    unit : str
        ``"ms"``, ``"s"``, or units of work a second, such as ``"segments/s"``.
    **details
        Further attributes of `Row`.

    Returns
    -------
    Row
        Its ratio is the median of the rounds' ratios.
    """
    ratios = times.ratios(side, peer)
    scale = {"ms": 1000.0, "s": 1.0}.get(unit)
    value = times.rate_of if scale is None else lambda one: scale * times.seconds_of(one)
    return Row(
        name=name,
        what=what,
        ours=value(side),
        peer=value(peer),
        unit=unit,
        ratio=statistics.median(ratios),
        spread=(min(ratios), max(ratios)),
        rounds=len(ratios),
        **{"against": peer, **details},
    )


def machine() -> str:
    """Tell what the rows are measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = (line for line in cpuinfo.read_text().splitlines() if line.startswith("model name"))
        model = next(names, f":{model}").partition(":")[2].strip()
    return f"{default_workers()} cores of {model}"


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write rows as JSON: a dictionary from their names."""
    content = {row.name: asdict(row) for row in rows}
    for entry in content.values():
        del entry["name"]
    with atomic_write(path) as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n")


def read_rows(path: Path = RESULTS) -> list[Row]:
    """Read what `write_rows` wrote.

    Raises
    ------
    UserError
        If there is no such file, or it holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [Row(name=name, **_tuples(entry)) for name, entry in content.items()]
    except FileNotFoundError:
        raise UserError(f"{path} is missing: make bench writes it") from None
    except (ValueError, TypeError, AttributeError):
        raise UserError(f"{path} holds no results of this version: make bench anew") from None


def _tuples(entry: dict) -> dict:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


def number(value: float | None) -> str:
    """Write a number with three digits that count, in groups of thousands."""
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def _ratio(value: float, row: Row) -> str:
    if row.is_share:
        return f"{value:.1%}".replace("%", " %")
    return f"{number(value)} ×"


def cells(row: Row) -> tuple[str, ...]:
    """Give what a table shows of a row, in the order of `HEADER`."""
    ratio = target = ""
    if row.ratio is not None:
        ratio = _ratio(row.ratio, row)
        if row.spread:
            low, high = (
                _ratio(value, row).removesuffix(" %").removesuffix(" ×") for value in row.spread
            )
            ratio += f" [{low}–{high}]"
    if row.target:
        sign = {">=": "≥", "<=": "≤"}[row.target[0]]
        wanted = f"{row.target[1]:,.0f}" if row.ratio is None else _ratio(row.target[1], row)
        target = f"{sign} {wanted}{'' if row.is_met else ', missed'}"
    return (
        row.name,
        f"{number(row.ours)} {row.unit}",
        f"{row.against}: {number(row.peer)}" if row.peer is not None else row.against,
        ratio,
        target,
    )


HEADER = ("what", "ours", "against", "ratio", "target")


def markdown_table(rows: Iterable[Row]) -> str:
    """Write the rows that the README shows as a Markdown table, and where they were measured."""
    shown = [row for row in rows if row.is_headline]
    lines = [" | ".join(cells(row)) for row in shown]
    table = [" | ".join(HEADER), "---|" * (len(HEADER) - 1) + "---", *lines]
    places = " · ".join(dict.fromkeys(row.where for row in shown if row.where))
    return "\n".join(f"| {line} |" for line in table) + f"\n\nMeasured on {places}.\n"
