"""Explains errors that a damaged state causes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coco.errors import CocoError, StateStoreError, StoredValueError
from coco.setup.states import FLOW_RESOURCE, CombinedState, FlowState, TargetState
from coco.state.damage import corrupt

if TYPE_CHECKING:
    from coco.environment.environment import Environment
    from coco.state.protocol import SetupRecord, StateStore


async def explained(error: Exception, environment: Environment) -> StateStoreError | None:
    """The error to raise instead: the state is damaged, and where. None if it is not damaged, or was never opened.

    Only unexpected errors are examined, since the check reads the whole state.
    """
    store = environment.opened_store
    if store is None or (isinstance(error, CocoError) and not isinstance(error, StoredValueError)):
        return None
    try:
        found = await environment.threads.store(_find, store)
    except StateStoreError as problem:
        return problem
    except Exception:  # the original error is more useful than one of this check
        return None
    if found is None:
        return None
    return corrupt(store.location, found)


def _find(store: StateStore) -> str | None:
    search: Any = getattr(store, "find_damage", None)
    found: str | None = search() if search is not None else None
    if found is not None:
        return found
    for record in store.setup_records():
        try:
            _read(record)
        except (TypeError, ValueError, KeyError, AttributeError):
            return f"the setup record of {record.resource_type} {record.key} of flow '{record.flow}' cannot be read"
    return None


def _read(record: SetupRecord) -> None:
    states = [] if record.state is None else [record.state]
    begun = [item.state for item in CombinedState.of(record).staging]
    for state in [*states, *(item for item in begun if item is not None)]:
        if record.resource_type == FLOW_RESOURCE:
            FlowState.from_json(state)
        else:
            TargetState.from_json(state)
