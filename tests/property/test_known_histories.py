"""Histories that once ended wrong, as the state machine found them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from law_machine import LawMachine
from law_targets import FileBackend


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[LawMachine]:
    class Machine(LawMachine):
        backend = FileBackend(tmp_path)
        folder = tmp_path

    made = Machine()
    yield made
    made.teardown()


def test_a_row_of_a_removed_source_that_was_to_be_exported_again(machine: LawMachine) -> None:
    """Its row was to be exported again, for another one gave way to it, and was left out when it was to go."""
    machine.begin(
        rows=[
            ("one", "a", "red"),
            ("two", "e/f", "red/  /red fox/evil twin"),
            ("two", "c", "red"),
            ("three", "e/f", "blue fox"),
            ("two", "a", "Red/blue fox/fox blue/blue fox"),
            ("three", "c", "evil twin/  "),
        ],
        style="version",
        loud=1,
    )
    machine.switch_target(name="whole")
    machine.set_version(version=2)
    machine.update_by_force(mode="full_reprocess")
    machine.rename_or_copy(keep=True, key="a", name="b", other="three", source="two")
    machine.switch_source(source="three")
    machine.switch_source(source="two")
    machine.switch_fields(extra="size")
    machine.set_version(version=4)
    machine.put(content="", key="c", source="one")
    machine.append(key="a", line="red fox", source="two")
    machine.update()
    machine.append(key="a", line="blue fox", source="three")
    machine.put_and_update(content="", key="c", source="three")
    machine.switch_target(name="words")
    machine.append(key="a", line="one two three", source="one")
    machine.update()
    machine.switch_target(name="ids")
    machine.switch_source(source="two")
    machine.switch_source(source="three")
    machine.reopen()
    machine.switch_branch_and_update(name="loudest", source="one")


def test_a_row_that_recovered_while_it_was_to_be_exported_again(machine: LawMachine) -> None:
    """Having failed once, it was taken for one that cannot be had."""
    machine.begin(
        loud=1,
        rows=[("three", "a", "one two three/blue fox/  /fox blue"), ("three", "d", "")],
        style="ordinal",
    )
    machine.edit_function(loud=0)
    machine.put_and_update(content="", key="d", source="one")
    machine.switch_branch_and_update(name="whole", source="three")
    machine.put_and_update(content="", key="d", source="two")
    machine.switch_branch_and_update(name="loudest", source="three")
    machine.switch_branch_and_update(name="lines", source="two")
    machine.put_and_update(content="evil twin/blue fox/evil twin/green", key="c", source="two")
    machine.put_and_update(content="fox blue", key="e/f", source="two")
    machine.switch_branch_and_update(name="whole", source="three")
    machine.edit_function(loud=2)
    machine.put_and_update(content="fox blue/evil twin/evil twin/fox blue", key="a", source="one")
    machine.edit_function(loud=0)
    machine.switch_branch_and_update(name="ids", source="two")
    machine.put_and_update(content="evil twin", key="c", source="three")
    machine.put_and_update(content="evil twin/Red/green/  ", key="b", source="two")
    machine.put_and_update(content="bad apple/red fox/green/red fox", key="c", source="three")
    machine.switch_branch_and_update(name="whole", source="one")
    machine.edit_function(loud=4)
    machine.switch_branch_and_update(name="words", source="three")
    machine.put_and_update(content="", key="c", source="one")
    machine.put_and_update(content="red fox", key="b", source="three")
    machine.switch_branch_and_update(name="ids", source="two")
    machine.edit_function(loud=1)
    machine.put_and_update(content="blue fox", key="b", source="one")
    machine.edit_function(loud=3)
    machine.switch_branch_and_update(name="words", source="two")
    machine.put_and_update(content="red fox/evil twin/red", key="b", source="one")
    machine.edit_function(loud=4)
    machine.switch_branch_and_update(name="ids", source="three")
