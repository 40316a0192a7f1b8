"""Medians over repetitions, and the tables that are printed."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.workloads import TITLES, WORKLOADS, Result


@dataclass(frozen=True)
class Figures:
    """Medians of one system's results in one workload; None where nothing was measured."""

    system: str
    workload: str
    runs: int
    wall: float | None
    engine: float | None
    cpu: float | None
    server_cpu: float | None
    peak: float | None
    calls: float | None
    needed: float | None
    rows: int | None
    right: bool | None
    repeated: float | None
    p50: float | None
    failure: str
    wrong: str


def summarise(system: str, workload: str, results: Sequence[Result]) -> Figures:
    """``right`` only if all repetitions are; one failure makes a failure of the whole."""
    measured = [result.measurement for result in results if result.measurement is not None]
    verdicts = [result.verdict for result in results if result.verdict is not None]
    failure = next((result.failure for result in results if result.failure), "")
    wrong = next((verdict for verdict in verdicts if not verdict.right), None)
    return Figures(
        system,
        workload,
        len(results),
        _median(m.wall for m in measured),
        _median(m.engine for m in measured),
        _median(m.cpu for m in measured),
        _median(m.server_cpu for m in measured),
        _median(m.peak for m in measured),
        _median(m.calls for m in measured),
        _median(result.needed for result in results if result.measurement is not None),
        verdicts[-1].rows if verdicts else None,
        None if not verdicts else wrong is None,
        _median(result.repeated for result in results),
        _median(result.p50 for result in results),
        failure,
        "" if wrong is None else f"{wrong} ({wrong.example})",
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def workload_tables(figures: dict[tuple[str, str], Figures]) -> str:
    """One table per workload: systems by wall time, with ratios to the fastest floor and to ours."""
    parts = []
    for workload in WORKLOADS:
        found = [figure for (_, name), figure in figures.items() if name == workload]
        if found:
            parts.append(_workload_table(workload, found))
    return "\n\n".join(parts)


def _workload_table(workload: str, found: list[Figures]) -> str:
    ours = next((f for f in found if f.system == "coco_postgres" and not f.failure), None)
    head = [
        "system",
        "wall s",
        "engine s",
        "x ours",
        "CPU s",
        "server",
        "peak MiB",
        "calls",
        "needed",
        "rows",
    ]
    if workload == "killed":
        head.append("repeated")
    if workload == "live":
        head = ["system", "p50 ms", "x ours", "rows"]
    lines = [head]
    for figure in sorted(found, key=lambda f: (bool(f.failure), f.p50 or f.wall or 0.0)):
        if figure.failure:
            lines.append([figure.system, "failed: " + " ".join(figure.failure.split())[-110:]])
            continue
        state = {True: "right", False: figure.wrong[:80], None: "-"}[figure.right]
        if workload == "live":
            ratio = _ratio(figure.p50, ours.p50 if ours else None)
            lines.append([figure.system, _number(_scaled(figure.p50, 1000), 1), ratio, state])
            continue
        cells = [
            figure.system,
            _number(figure.wall, 3),
            _number(figure.engine, 3),
            _ratio(figure.wall, ours.wall if ours else None),
            _number(figure.cpu, 2),
            _number(figure.server_cpu, 2),
            _number(figure.peak, 0),
            _number(figure.calls, 0),
            _number(figure.needed, 0),
            state,
        ]
        if workload == "killed":
            cells.append("-" if figure.repeated is None else f"{figure.repeated:.1%}")
        lines.append(cells)
    return f"{TITLES[workload]}\n{table(lines)}"


def table(lines: Sequence[Sequence[str]]) -> str:
    """Columns aligned: the first to the left, the others to the right; a last long cell spoils no width."""
    width = len(lines[0])
    full = [line for line in lines if len(line) == width]
    sizes = [max(len(line[column]) for line in full) for column in range(width)]
    sizes[0] = max(len(line[0]) for line in lines)
    shown = []
    for line in lines:
        cells = [line[0].ljust(sizes[0])]
        cells += [cell.rjust(size) for cell, size in zip(line[1:], sizes[1:], strict=False)]
        shown.append("  ".join(cells).rstrip())
    return "\n".join(shown)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _ratio(value: float | None, base: float | None) -> str:
    return "-" if value is None or not base else f"{value / base:.2f}"
