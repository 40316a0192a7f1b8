"""``@row_target``: a target without setup, from one function that takes rows and keys."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, get_args, get_origin, overload

from coco.errors import CallShapeError, DefinitionError
from coco.ops.decorators import _caller_locals, camel_case, target_connector
from coco.ops.row_connector import RowForm, RowOptions, row_connector
from coco.spec import SpecMeta, TargetSpec
from coco.spec.hints import Unresolved, callable_hints
from coco.types.schema import SCALAR_KINDS
from coco.types.struct_types import is_struct_type
from coco.types.to_schema import key_fields_of

K = TypeVar("K")
V = TypeVar("V")
R = TypeVar("R", None, Awaitable[None])
P = ParamSpec("P")
SpecT = TypeVar("SpecT", bound=TargetSpec)

_CONTRACT = "`upserts: dict[Key, Row], deletes: list[Key]`"
_ROWS = (dict, Mapping)
_KEYS = (list, Sequence, Collection, Iterable)


class SpecMaker(Protocol[P]):
    """The spec class that ``row_target`` makes from the parameters of a function: call it for a spec."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> TargetSpec: ...


class RowTargetDecorator(Protocol):
    """What ``row_target(...)`` gives."""

    @overload
    def __call__(
        self, write: Callable[[SpecT, dict[K, V], list[K]], R], /
    ) -> Callable[[SpecT, dict[K, V], list[K]], R]: ...
    @overload
    def __call__(self, write: Callable[Concatenate[dict[K, V], list[K], P], R], /) -> SpecMaker[P]: ...


def row_target(
    *,
    key: str | Sequence[str] = (),
    types: str | Collection[str] = (),
    read: Callable[..., Any] | None = None,
    clear: Callable[..., Any] | None = None,
) -> RowTargetDecorator:
    """Register a target that needs no setup, such as files of a folder or records behind an HTTP API.

    The function is sync or async, and has one of two forms::

        def write(spec: Shelf, upserts: dict[str, Book], deletes: list[str]) -> None      # Shelf: a TargetSpec
        def shelf(upserts: dict[str, Book], deletes: list[str], folder: str) -> None      # makes the spec Shelf

    In the second form the parameters after the first two become the fields of a spec that is named after the
    function, in CamelCase; the decorator returns that spec class. Users write ``Shelf(folder="a")`` or
    ``shelf(folder="a")``.

    The function is called once for each batch, of at most 5 000 rows. ``upserts``: key to row, to insert or to
    replace. ``deletes``: keys to remove; one that is not there is no error. No key is in both. Row is a dataclass,
    NamedTuple, msgspec Struct or pydantic model with the collected fields, or ``dict[str, Any]``. Both have to be
    harmless when repeated, and the rows have to last when the function returns. It raises
    ``coco.errors.MutationError(failed_keys={key: reason})`` where it wrote all other rows; after any other error the
    batch is halved until the row that cannot be written stands alone.

    key: names of the fields that say where the rows are; all fields by default. A change of one of them moves the
    rows: they are deleted at the old place and written to the new one. A change of another field writes them again.
    types: names of the types that keys and values may have, such as ``("Str", "Int64", "Json")``; all by default. A flow
    with a field of another type is refused while it is being defined.
    read: gives all rows that are there, as pairs of key and row, so that ``coco verify`` can compare them; an
    iterable, or a sync or async generator function. Takes the spec, or the fields of the spec by name.
    clear: removes all rows of a dropped target at once. Takes what ``read`` takes. Without it, coco calls the function
    with the keys that it has written.

    Raises ``DefinitionError`` for a function, or a ``read`` or ``clear``, with another signature.
    """
    names = _caller_locals()

    def register(write: Any) -> Any:
        return _register(write, RowOptions(_several(key), _several(types), read, clear), names)

    return register


def _several(names: str | Collection[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _register(write: Any, options: RowOptions, names: Mapping[str, Any]) -> Any:
    if not inspect.isfunction(write):
        raise CallShapeError(f"@row_target takes a function, got {type(write).__name__}")
    title = f"@row_target {write.__name__}"
    if inspect.isgeneratorfunction(write) or inspect.isasyncgenfunction(write):
        raise DefinitionError(f"{title}: it is a generator; it writes a batch and returns nothing")
    form = _form_of(write, title, names)
    fields = form.fields
    for name in options.key:
        if name not in fields:
            raise DefinitionError(
                f"{title}: key= names {name!r}, which is no field of the spec; it has {', '.join(fields) or 'none'}"
                f"{_hint(name, fields)}"
            )
    for name in options.types:
        if name.isidentifier() and name not in SCALAR_KINDS:
            raise DefinitionError(
                f"{title}: types= names {name!r}, which is no type; simple types are {', '.join(SCALAR_KINDS)}"
                f"{_hint(name, SCALAR_KINDS)}"
            )
    for what, function in (("read", options.read), ("clear", options.clear)):
        if function is not None:
            _check_reader(function, f"{title}: {what}=", form)
    connector = row_connector(write, form, options)
    target_connector(spec_cls=form.spec_cls, persistent_key_type=Any)(connector)
    return write if form.takes_spec else form.spec_cls


def _hint(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


# -- what the function is, by its signature
def _form_of(write: Any, title: str, names: Mapping[str, Any]) -> RowForm:
    hints = callable_hints(write, names)
    parameters = list(inspect.signature(write).parameters.values())
    for item in parameters:
        if item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD):
            raise DefinitionError(f"{title}: it must name its parameters, instead of taking {item}")
        if isinstance(hints.get(item.name), Unresolved):
            raise DefinitionError(
                f"{title}: the annotation of {item.name}, {hints[item.name].text!r}, cannot be resolved"
            )
    returned = hints.get("return", type(None))
    if returned not in (type(None), Any):
        raise DefinitionError(f"{title}: it returns {returned}; nothing is done with that: errors are raised")
    takes_spec = bool(parameters) and _is_spec(hints.get(parameters[0].name))
    rows_and_keys = parameters[1:3] if takes_spec else parameters[:2]
    key_type, row_type = _row_types(rows_and_keys, hints, title, takes_spec)
    if takes_spec:
        if len(parameters) != 3:
            more = ", ".join(item.name for item in parameters[3:])
            raise DefinitionError(
                f"{title}: after the spec, upserts and deletes it takes {more}; make these fields of the spec"
            )
        return RowForm(write.__name__, hints[parameters[0].name], True, key_type, row_type)
    return RowForm(
        write.__name__, _spec_class(write, parameters[2:], hints, title), False, key_type, row_type
    )


def _is_spec(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, TargetSpec)


def _row_types(
    parameters: Sequence[inspect.Parameter], hints: Mapping[str, Any], title: str, after_spec: bool
) -> tuple[Any, Any]:
    """Key and row type of the two parameters for rows and keys."""
    place = "after the spec come" if after_spec else "the first two parameters are"
    wanted = f"{title}: {place} {_CONTRACT}"
    if len(parameters) < 2:
        raise DefinitionError(f"{wanted}; it has {len(parameters)} of them")
    upserts, deletes = parameters
    found = {}
    for item, kinds in ((upserts, _ROWS), (deletes, _KEYS)):
        hint = hints.get(item.name)
        origin = get_origin(hint) or hint
        if origin not in kinds or item.kind is item.KEYWORD_ONLY:
            shown = "no annotation" if hint is None else getattr(hint, "__name__", str(hint))
            raise DefinitionError(f"{wanted}; it has {item.name} with {shown}")
        found[item.name] = get_args(hint)
    key_type, row_type = found[upserts.name] or (Any, Any)
    (deleted,) = found[deletes.name] or (Any,)
    if Any not in (key_type, deleted) and key_type != deleted:
        raise DefinitionError(
            f"{title}: keys of {upserts.name} are {_shown(key_type)}, those of {deletes.name} {_shown(deleted)}; both are "
            "keys of the same rows"
        )
    if key_type is not Any:
        try:
            key_fields_of(key_type)
        except ValueError as error:
            raise DefinitionError(f"{title}: key of a row: {error}") from error
    if type(None) in get_args(row_type):
        raise DefinitionError(f"{title}: a row is never None here; keys to delete are in {deletes.name}")
    is_dict = (get_origin(row_type) or row_type) in _ROWS
    if row_type is not Any and not is_dict and not is_struct_type(row_type):
        raise DefinitionError(
            f"{title}: a row is a dataclass, NamedTuple, Struct or model with the collected fields, or dict[str, Any]; "
            f"got {_shown(row_type)}"
        )
    return key_type, Any if is_dict else row_type


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)


def _spec_class(
    write: Any, parameters: Sequence[inspect.Parameter], hints: Mapping[str, Any], title: str
) -> Any:
    body: dict[str, Any] = {
        "__module__": write.__module__,
        "__qualname__": write.__qualname__,
        "__annotations__": {},
    }
    if write.__doc__:
        body["__doc__"] = write.__doc__
    for item in parameters:
        if item.kind is item.POSITIONAL_ONLY:
            raise DefinitionError(f"{title}: {item.name} becomes a field of the spec and is given by name")
        if item.name not in hints:
            raise DefinitionError(f"{title}: {item.name} becomes a field of the spec and needs an annotation")
        body["__annotations__"][item.name] = hints[item.name]
        if item.default is not item.empty:
            body[item.name] = item.default
    return SpecMeta(camel_case(write.__name__), (TargetSpec,), body)


def _check_reader(function: Any, title: str, form: RowForm) -> None:
    if not callable(function):
        raise DefinitionError(f"{title} takes a function, got {type(function).__name__}")
    parameters = inspect.signature(function).parameters
    if form.takes_spec:
        if len(parameters) != 1:
            raise DefinitionError(f"{title} takes the spec alone, got {inspect.signature(function)}")
        return
    fields = form.fields
    if sorted(parameters) != sorted(fields):
        raise DefinitionError(
            f"{title} takes what {form.name} takes besides rows and keys ({', '.join(fields) or 'nothing'}), got "
            f"{inspect.signature(function)}"
        )
