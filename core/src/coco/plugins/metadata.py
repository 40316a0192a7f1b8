"""The one place that reads the metadata of installed distributions.

It uses the standard library's ``importlib.metadata``, not the backport ``importlib-metadata``. Measured in
fresh processes on Python 3.11 (best of nine, wall time beyond a bare interpreter): import and a scan for
one group of entry points cost 30 ms with the standard library and 38 ms with the backport 10.2, which reads
the same files and whose additions (an older Python's API) have no use here. It would be one more dependency
that every ``coco --help`` pays for. Should that change, this file is all there is to edit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coco.plugins import ENTRY_POINT_GROUP

_UNREADABLE = (
    "its metadata cannot be read ({error}); install it again: pip install --force-reinstall {distribution}"
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plugin that metadata of a distribution lists; none of its modules is imported yet.

    name: of the entry point; by convention the distribution's without ``coco-``.
    module: what to import.
    identify: returns distribution and version. It reads a file, so call it only where the result is shown.
    problem: why the plugin cannot be loaded at all. summarize: gives the distribution's summary, from the same file.
    """

    name: str
    module: str
    identify: Callable[[], tuple[str, str]]
    problem: str = ""
    summarize: Callable[[], str] = str


def installed_candidates() -> list[Candidate]:
    """Plugins of all installed distributions, by name. Entry points of one distribution are seen once."""
    from importlib.metadata import entry_points

    try:
        found = [
            Candidate(entry.name, entry.value, _identifier(entry.dist), summarize=_summarizer(entry.dist))
            for entry in entry_points(group=ENTRY_POINT_GROUP)
        ]
    except Exception:  # one damaged distribution, of whatever kind, spoils the search for all
        found = _one_by_one()
    return sorted(found, key=lambda candidate: (candidate.name, candidate.module))


def _one_by_one() -> list[Candidate]:
    """The same, a distribution at a time. One that cannot be read is a candidate only if it may have plugins."""
    from importlib.metadata import distributions

    found: dict[str, list[Candidate]] = {}
    for distribution in distributions():
        identify = _identifier(distribution)
        name = identify()[0] or "unknown"
        if name in found:
            continue  # hidden by an earlier one on the path
        try:
            found[name] = [
                Candidate(entry.name, entry.value, identify, summarize=_summarizer(distribution))
                for entry in distribution.entry_points
                if entry.group == ENTRY_POINT_GROUP
            ]
        except Exception as error:
            found[name] = _unreadable(distribution, name, identify, error)
    return [candidate for candidates in found.values() for candidate in candidates]


def _unreadable(
    distribution: Any, name: str, identify: Callable[[], tuple[str, str]], error: Exception
) -> list[Candidate]:
    try:
        text = distribution.read_text("entry_points.txt") or ""
    except Exception:
        text = ""
    if ENTRY_POINT_GROUP not in text and not name.startswith("coco-"):
        return []
    problem = _UNREADABLE.format(error=f"{type(error).__name__}: {error}", distribution=name)
    return [Candidate(name.removeprefix("coco-"), name, identify, problem)]


def _identifier(distribution: Any) -> Callable[[], tuple[str, str]]:
    def identify() -> tuple[str, str]:
        try:
            return str(distribution.name or ""), str(distribution.version or "")
        except Exception:  # no distribution, or one without readable metadata
            return "", ""

    return identify


def _summarizer(distribution: Any) -> Callable[[], str]:
    def summarize() -> str:
        try:
            return str(distribution.metadata.get("Summary") or "").partition("\n")[0]
        except Exception:
            return ""

    return summarize
