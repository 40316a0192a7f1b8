"""The bars that the project sets itself, each judged by figures of one and the same run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.summary import Figures

FiguresOf = Mapping[tuple[str, str], Figures]
"""(system, workload) -> medians."""


@dataclass(frozen=True)
class Judgement:
    """One bar: what was found, what it must be, and whether it is met; None if the run does not say.

    ``must`` is empty for a figure that only explains others.
    """

    bar: str
    found: str
    must: str
    met: bool | None


def judge(figures: FiguresOf) -> list[Judgement]:
    """All bars, in the order of the table in the issue."""
    return [*_first_index(figures), *_updates(figures), *_recovery(figures)]


def judge_growth(small: FiguresOf, large: FiguresOf) -> Judgement:
    """Memory must not follow the corpus: peak of the larger corpus against that of the smaller."""
    return _ratio(
        "peak memory does not grow with the corpus",
        _get(large, "coco_postgres", "first", lambda f: f.peak),
        _get(small, "coco_postgres", "first", lambda f: f.peak),
        1.2,
    )


def _first_index(figures: FiguresOf) -> list[Judgement]:
    def get(system: str, pick: Callable[[Figures], float | None]) -> float | None:
        return _get(figures, system, "first", pick)

    ours, floor = get("coco_postgres", lambda f: f.wall), get("floor_copy", lambda f: f.wall)
    peer, peak = get("cocoindex_v0", lambda f: f.wall), get("coco_postgres", lambda f: f.peak)
    faster = None if ours is None or peer is None else peer / ours
    return [
        _ratio("first index, Postgres: wall against the floor script", ours, floor, 1.3),
        Judgement(
            "first index, Postgres: faster than CocoIndex 0.3",
            _shown(faster, "x"),
            "at least 7 x",
            None if faster is None else faster >= 7,
        ),
        _limit("first index, Postgres: peak memory", peak, 150, " MiB"),
        _ratio(
            "first index, SQLite: wall against the hand-written script",
            get("coco_sqlite", lambda f: f.wall),
            get("floor_sqlite", lambda f: f.wall),
            1.5,
        ),
        _ratio(
            "first index, Postgres: CPU of client and server against the floor script",
            get("coco_postgres", lambda f: f.cpu),
            get("floor_copy", lambda f: f.cpu),
            1.5,
        ),
        _told(
            "what a state costs by hand: CPU of floor_state against floor_copy",
            get("floor_state", lambda f: f.cpu),
            get("floor_copy", lambda f: f.cpu),
        ),
        _told(
            "what the framework costs beyond it: CPU of ours against floor_state",
            get("coco_postgres", lambda f: f.cpu),
            get("floor_state", lambda f: f.cpu),
        ),
    ]


def _updates(figures: FiguresOf) -> list[Judgement]:
    def engine(workload: str, system: str = "coco_postgres") -> float | None:
        return _get(figures, system, workload, lambda f: f.engine)

    def wall(workload: str, system: str = "coco_postgres") -> float | None:
        return _get(figures, system, workload, lambda f: f.wall)

    idle, walk = wall("unchanged"), wall("unchanged", "floor_walk")
    over = None if idle is None or walk is None else idle - walk
    alone, nothing = engine("edited_alone"), engine("unchanged")
    allowed = None if alone is None or nothing is None else nothing + 3 * alone
    edited = engine("edited")
    judged = [
        _ratio(
            "nothing changed: engine against the bare walk", nothing, engine("unchanged", "floor_walk"), 2.0
        ),
        _limit("nothing changed: process beyond that of the walk", over, 0.4, " s"),
        _exact(figures, "1 % edited", "edited"),
        Judgement(
            "1 % edited: engine against no-op + 3 x index of the edited files",
            _shown(edited, " s"),
            "unknown" if allowed is None else f"at most {allowed:.3f} s",
            None if edited is None or allowed is None else edited <= allowed,
        ),
    ]
    for title, workload in (("touched", "touched"), ("renamed", "renamed"), ("copied", "copied")):
        calls = _get(figures, "coco_postgres", workload, lambda f: f.calls)
        judged.append(_limit(f"{title}: embeddings", calls, 0, ""))
    judged.append(_limit("one file in a new process", wall("one_file"), 0.5, " s"))
    judged.append(
        _ratio("function changed: wall against the first index", wall("function"), wall("first"), 1.2)
    )
    judged.append(_exact(figures, "function changed", "function"))
    return judged


def _recovery(figures: FiguresOf) -> list[Judgement]:
    judged = []
    for system in ("coco_postgres", "coco_sqlite"):
        repeated = _get(figures, system, "killed", lambda f: f.repeated)
        judged.append(
            _limit(
                f"{system}: work repeated after a kill",
                None if repeated is None else repeated * 100,
                2.0,
                " %",
            )
        )
        found = [f for (name, _), f in figures.items() if name == system and f.right is not None]
        wrong = [f.workload for f in found if not f.right]
        judged.append(
            Judgement(
                f"{system}: every row right after every workload",
                ", ".join(wrong) or f"{len(found)} of {len(found)}",
                "all",
                not wrong if found else None,
            )
        )
    return judged


def _exact(figures: FiguresOf, title: str, workload: str) -> Judgement:
    calls = _get(figures, "coco_postgres", workload, lambda f: f.calls)
    needed = _get(figures, "coco_postgres", workload, lambda f: f.needed)
    return Judgement(
        f"{title}: embeddings",
        _shown(calls, ""),
        "exactly " + _shown(needed, ""),
        None if calls is None or needed is None else calls == needed,
    )


def _get(
    figures: FiguresOf, system: str, workload: str, pick: Callable[[Figures], float | None]
) -> float | None:
    found = figures.get((system, workload))
    return None if found is None or found.failure else pick(found)


def _told(title: str, value: float | None, base: float | None) -> Judgement:
    """A ratio that explains others; there is no bar for it."""
    return Judgement(title, _shown(None if value is None or not base else value / base, " x"), "", None)


def _ratio(bar: str, value: float | None, base: float | None, limit: float) -> Judgement:
    ratio = None if value is None or not base else value / base
    return Judgement(
        bar, _shown(ratio, " x"), f"at most {limit:g} x", None if ratio is None else ratio <= limit
    )


def _limit(bar: str, value: float | None, limit: float, unit: str) -> Judgement:
    return Judgement(
        bar, _shown(value, unit), f"at most {limit:g}{unit}", None if value is None else value <= limit
    )


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    return f"{value:.0f}{unit}" if value == int(value) else f"{value:.3g}{unit}"
