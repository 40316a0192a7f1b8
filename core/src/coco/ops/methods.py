"""The methods that coco calls on connectors and executors, by name: what checks and records go by.

The protocols in ``target_protocols``, ``source_protocols``, ``executor_protocols`` and ``runners`` say the same for readers and
type checkers; a test compares the two. They are apart because a class of protocols takes a quarter of a millisecond to
make, and every process that uses a connector needs this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Method(NamedTuple):
    """How coco calls one method. Annotations are texts, in terms of ``SpecT``, ``KeyT``, ``StateT``, ``PreparedT``.

    ``Listing`` is an iterable or an async iterable.
    """

    parameters: tuple[tuple[str, str], ...]
    """(name, annotation). All are passed by position. A name with a star stands for any number."""
    returns: str
    optional: int = 0
    """How many parameters a connector may leave out, from the last; it then gets none of these."""
    required: bool = False
    waits: bool = True
    """Whether the method may be async."""
    on_class: bool = False
    """Whether coco calls it on the class: then it is a static or class method."""


class Contract(NamedTuple):
    """All that coco looks for in one kind of class."""

    title: str
    """What the class is called in messages."""
    methods: Mapping[str, Method]
    flags: tuple[str, ...] = ()
    """Attributes of the class that coco reads."""


_SPEC = ("spec", "SpecT")
_KEY = ("key", "KeyT")
_PREPARED = ("prepared", "PreparedT")
_FIELDS = (("key_fields", "list[FieldSchema]"), ("value_fields", "list[FieldSchema]"))
_INDEXES = ("index_options", "IndexOptions")
_CHANGE = (_KEY, ("previous", "StateT | None"), ("current", "StateT | None"))
_OPTIONS = ("options", "SourceReadOptions")
_TEXTS = "Iterable[str]"


def _on_class(
    parameters: tuple[tuple[str, str], ...],
    returns: str,
    *,
    optional: int = 0,
    required: bool = False,
    waits: bool = True,
) -> Method:
    return Method(parameters, returns, optional, required, waits, True)


_SETUP = {
    "get_persistent_key": _on_class((_SPEC, ("target_name", "str")), "KeyT", optional=1, required=True),
    "apply_setup_change": _on_class(_CHANGE, "None", required=True),
    "check_state_compatibility": _on_class(
        (("desired", "StateT"), ("existing", "StateT")), "TargetStateCompatibility"
    ),
    "apply_setup_changes": _on_class(
        (("changes", "list[tuple[KeyT, StateT | None, StateT | None]]"),), "None"
    ),
    "describe": _on_class((_KEY,), "str", waits=False),
    "describe_change": _on_class((_KEY, ("previous", "StateT"), ("current", "StateT")), _TEXTS),
    "check_existing": _on_class((_KEY, ("desired", "StateT")), "Adoption | str | None"),
    "upgrade_key": _on_class((("data", "Any"),), "Any"),
    "upgrade_state": _on_class((("data", "Any"),), "Any"),
    "with_flow": _on_class((_SPEC, ("flow", "FlowView")), "SpecT", waits=False),
    "local_paths": _on_class((_KEY,), _TEXTS),
}
"""Of targets and declarations."""

_TARGET_SETUP = {
    "get_setup_state": _on_class((_SPEC, *_FIELDS, _INDEXES), "StateT"),
    "validate": _on_class((_SPEC, *_FIELDS, _INDEXES, ("attachments", "list[Any]")), "None", waits=False),
    "with_default_name": _on_class((_SPEC, ("name", "str")), "SpecT", waits=False),
    "former_keys": _on_class((_SPEC, ("name", "str")), "Iterable[KeyT]"),
    "rename": _on_class((("former", "KeyT"), _KEY, ("states", "list[StateT]")), "None"),
    "delete_rows": _on_class((_KEY, ("state", "StateT"), ("keys", "list[Any]")), "None"),
    "stored_form": _on_class(
        (_SPEC, ("field", "FieldSchema"), _INDEXES), "Callable[[Any], Any] | None", optional=1, waits=False
    ),
    "data_identity": _on_class((_SPEC,), "Any", waits=False),
}

_ROWS = {
    "mutate": _on_class((("*batches", "tuple[PreparedT, dict[Any, Any]]"),), "None"),
    "mutate_columns": _on_class((("*batches", "tuple[PreparedT, MutationColumns]"),), "None"),
    "prepare": _on_class((_SPEC, *_FIELDS), "PreparedT", optional=2),
    "fence": _on_class((_PREPARED, ("token", "FencingToken")), "None"),
    "count_rows": _on_class((_PREPARED,), "int"),
    "list_keys": _on_class((_PREPARED,), "Iterable[list[tuple[Any, ...]]]", waits=False),
    "read_rows": _on_class(
        (_PREPARED, ("keys", "list[tuple[Any, ...]]")), "Mapping[tuple[Any, ...], tuple[Any, ...]]"
    ),
    "values_equal": _on_class(
        (("field", "FieldSchema"), ("written", "Any"), ("read", "Any")), "bool", waits=False
    ),
    "read_epoch": _on_class((_PREPARED, ("flow", "str")), "str | None"),
    "write_epoch": _on_class((_PREPARED, ("flow", "str"), ("epoch", "str")), "None"),
}

TARGET = Contract(
    "target connector",
    {**_SETUP, **_TARGET_SETUP, **_ROWS},
    flags=("partial_update", "stays_open", "without_setup"),
)

DECLARATION = Contract("declaration connector", {**_SETUP, "get_setup_state": _on_class((_SPEC,), "StateT")})

ATTACHMENT = Contract(
    "attachment connector",
    {
        "apply": _on_class((("target_key", "KeyT"), _SPEC), "None", required=True),
        "teardown": _on_class((("target_key", "KeyT"), ("saved_spec", "SpecT")), "None", required=True),
        "needs_apply": _on_class((("old", "SpecT"), ("new", "SpecT")), "bool", waits=False),
    },
)

SOURCE = Contract(
    "source connector",
    {
        "create": _on_class((_SPEC,), "Any", required=True),
        "list": Method((_OPTIONS,), "Listing[PartialSourceRow]", optional=1, required=True),
        "get_value": Method(
            (_KEY, _OPTIONS), "PartialSourceRowData[ValueT] | Exception", optional=1, required=True
        ),
        "provides_ordinal": Method((), "bool"),
        "get_values": Method(
            (("keys", "list[KeyT]"), _OPTIONS),
            "Iterable[PartialSourceRowData[ValueT] | Exception]",
            optional=1,
        ),
        "list_batches": Method((_OPTIONS,), "Listing[list[PartialSourceRow]]", optional=1),
        "change_stream": Method((), "AsyncIterable[Sequence[Change]]", waits=False),
        "announces_changes": _on_class((_SPEC,), "bool", waits=False),
        "incomplete_prefixes": Method((), _TEXTS),
        "listing_errors": Method((), _TEXTS),
        "skipped_rows": Method((), "Iterable[tuple[str, str]]"),
        "listing_warnings": Method((), _TEXTS),
        "exclude_paths": Method((("paths", "list[str]"),), "Iterable[str] | None"),
        "check": _on_class((_SPEC,), "None"),
        "types": _on_class((_SPEC,), "tuple[Any, Any]", waits=False),
        "data_identity": _on_class((_SPEC,), "Any", waits=False),
        "close": Method((), "None"),
        "aclose": Method((), "None"),
    },
)

TAKE_OPTIONS = tuple(name for name, method in SOURCE.methods.items() if _OPTIONS in method.parameters)
"""Methods of sources that may leave out ``options``."""

EXECUTOR = Contract(
    "executor class",
    {
        "prepare": Method((), "None"),
        "analyze": Method((), "Any"),
        "close": Method((), "None"),
        "extra_identity": _on_class((_SPEC,), "str"),
    },
    flags=("runs_in_plan",),
)

RUNNER = Contract(
    "runner",
    {
        "executor": Method((("function", "RemoteFunction"),), "RunnerExecutor", required=True, waits=False),
        "close": Method((), "Awaitable[None]"),
    },
)

NEEDS: Mapping[str, str] = {"former_keys": "rename", "read_epoch": "write_epoch", "write_epoch": "read_epoch"}
"""Methods that are of no use without another."""
