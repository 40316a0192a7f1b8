"""The source suite on a source that keeps every rule."""

from __future__ import annotations

import itertools

import pytest

from coco_testing.abilities import claim
from coco_testing.reference.source import MemoryWorld, ReferenceRows
from coco_testing.source_suite import ALL_SOURCE_ABILITIES, SourceSuite

_numbers = itertools.count()


class TestMemoryRows(SourceSuite):
    abilities = claim(ALL_SOURCE_ABILITIES)

    @pytest.fixture
    def world(self) -> MemoryWorld:
        return MemoryWorld(ReferenceRows(folder=f"folder{next(_numbers)}"))
