"""The rules that every source must keep.

Subclass ``SourceSuite`` as ``TestSomething``, with a fixture ``world``: the place that the source reads, which tests
change. Each check's docstring says what it tests and what to look for if it fails.
"""

from __future__ import annotations

from typing import ClassVar

from coco_testing.source.base import World
from coco_testing.source.incomplete import MORE_INCOMPLETE_ABILITIES, IncompleteChecks
from coco_testing.source.reading import SOURCE_ABILITIES, ReadingChecks
from coco_testing.source.streams import MORE_STREAM_ABILITIES, StreamChecks

MORE_SOURCE_ABILITIES: tuple[str, ...] = (*MORE_STREAM_ABILITIES, *MORE_INCOMPLETE_ABILITIES)
"""New in this minor version of the kit. Sources must declare these from the next minor version."""

ALL_SOURCE_ABILITIES = SOURCE_ABILITIES + MORE_SOURCE_ABILITIES


class SourceSuite(StreamChecks, IncompleteChecks, ReadingChecks, kit=True):
    """Subclass it. Must give: the fixture ``world``. May give: ``stream_seconds``, ``met``."""

    all_abilities: ClassVar[tuple[str, ...]] = SOURCE_ABILITIES
    newer_abilities: ClassVar[tuple[str, ...]] = MORE_SOURCE_ABILITIES


__all__ = ["ALL_SOURCE_ABILITIES", "MORE_SOURCE_ABILITIES", "SOURCE_ABILITIES", "SourceSuite", "World"]
