"""The rules that every target must keep.

Subclass ``TargetSuite`` as ``TestSomething``, with a fixture ``spec`` and the method ``read_back``; the audit
reports any other override. Each check's docstring says what it tests and what to look for if it fails.
"""

from __future__ import annotations

from typing import ClassVar

from coco_testing.target.epochs import MORE_EPOCH_ABILITIES, EpochChecks
from coco_testing.target.existing import EXISTING_ABILITIES, MORE_EXISTING_ABILITIES, ExistingChecks
from coco_testing.target.faults import MORE_FAULT_ABILITIES, FaultChecks
from coco_testing.target.indexes import MORE_INDEX_ABILITIES, IndexChecks
from coco_testing.target.killed import MORE_KILLED_ABILITIES, KilledChecks
from coco_testing.target.late import MORE_LATE_ABILITIES, LateChecks
from coco_testing.target.looking import LOOKING_ABILITIES, LookingChecks
from coco_testing.target.rows import ROW_ABILITIES, RowChecks
from coco_testing.target.secrets import SecretChecks
from coco_testing.target.setup import SETUP_ABILITIES, SetupChecks
from coco_testing.target.spelling import MORE_SPELLING_ABILITIES, SpellingChecks
from coco_testing.target.together import MORE_TOGETHER_ABILITIES, TogetherChecks
from coco_testing.target.types import MORE_TYPE_ABILITIES, TYPE_ABILITIES, TypeChecks

TARGET_ABILITIES: tuple[str, ...] = (
    *SETUP_ABILITIES,
    *EXISTING_ABILITIES,
    *LOOKING_ABILITIES,
    *ROW_ABILITIES,
    *TYPE_ABILITIES,
)
"""Every target must declare these."""

MORE_TARGET_ABILITIES: tuple[str, ...] = (
    *MORE_EXISTING_ABILITIES,
    *MORE_SPELLING_ABILITIES,
    *MORE_INDEX_ABILITIES,
    *MORE_FAULT_ABILITIES,
    *MORE_KILLED_ABILITIES,
    *MORE_TOGETHER_ABILITIES,
    *MORE_EPOCH_ABILITIES,
    *MORE_TYPE_ABILITIES,
    *MORE_LATE_ABILITIES,
)
"""New in this minor version of the kit. Targets must declare these from the next minor version."""

ALL_TARGET_ABILITIES = TARGET_ABILITIES + MORE_TARGET_ABILITIES


class TargetSuite(
    # Checks run in the reverse order of these classes.
    SecretChecks,
    LateChecks,
    TogetherChecks,
    KilledChecks,
    FaultChecks,
    EpochChecks,
    LookingChecks,
    SpellingChecks,
    IndexChecks,
    TypeChecks,
    RowChecks,
    ExistingChecks,
    SetupChecks,
    kit=True,
):
    """Subclass it. Must give: the fixture ``spec`` and the method ``read_back``.

    May give: ``secrets``, ``foreign_resource``, ``lose_resource``, ``old_spellings``, ``indexed_fields``, ``bad_row``,
    ``lose_connections``, ``met``.
    """

    all_abilities: ClassVar[tuple[str, ...]] = TARGET_ABILITIES
    newer_abilities: ClassVar[tuple[str, ...]] = MORE_TARGET_ABILITIES


__all__ = ["ALL_TARGET_ABILITIES", "MORE_TARGET_ABILITIES", "TARGET_ABILITIES", "TargetSuite"]
