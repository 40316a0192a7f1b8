"""What the decorators make of a connector's methods: every fault in one error, and no fault where there is none."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, NewType, NoReturn, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco import op
from coco.errors import DefinitionError
from coco.ops import executor_protocols, methods, source_protocols, target_protocols
from coco.ops.methods import ATTACHMENT, DECLARATION, EXECUTOR, NEEDS, RUNNER, SOURCE, TARGET, Contract
from coco.ops.near_names import edit_distance, near_name
from coco.ops.registry import registry
from coco.typing import FieldSchema


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connectors of these tests neither replace those of other tests in this process nor clash with them."""
    monkeypatch.setattr(registry, "_records", {})


class Shelf(op.TargetSpec):
    folder: str = "."


class Feed(op.SourceSpec):
    url: str = "."


class Label(op.TargetAttachmentSpec):
    name: str = "label"


class Room(op.DeclarationSpec):
    name: str = "room"


class Key(NamedTuple):
    name: str


@dataclasses.dataclass
class Book:
    text: str


@dataclasses.dataclass
class State:
    columns: int


class Pages(NamedTuple):
    folder: str


class Target:
    @staticmethod
    def get_persistent_key(spec: Shelf, target_name: str) -> str:
        return spec.folder

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None: ...

    @staticmethod
    def mutate(*batches: tuple[Any, dict[str, Book | None]]) -> None: ...


class Source:
    @staticmethod
    def create(spec: Feed) -> Source:
        return Source()

    def list(self) -> list[op.PartialSourceRow[Key, Book]]:
        return []

    def get_value(self, key: Key) -> op.PartialSourceRowData[Book]:
        return op.PartialSourceRowData()


def refused(decorate: Callable[[Any], Any], cls: Any) -> str:
    with pytest.raises(DefinitionError) as caught:
        decorate(cls)
    return str(caught.value)


as_target = op.target_connector(spec_cls=Shelf, persistent_key_type=str)
as_source = op.source_connector(spec_cls=Feed, key_type=Key, value_type=Book)


def with_(base: type, /, **members: Any) -> Any:
    """A class with these members beside those of ``base``."""
    return type("Connector", (base,), {"__module__": __name__, **members})


# -- the whole of a connector
def test_a_connector_with_five_faults_gets_five_messages() -> None:
    """Each names the method as it is, what is wrong, and the whole signature that coco expects."""

    class ShelfConnector:
        @staticmethod
        def get_persistent_key(spec: int) -> bytes: ...  # type: ignore[empty-body]

        @staticmethod
        def apply_setup_change() -> None: ...

        @staticmethod
        def count_row(spec: Shelf) -> int: ...  # type: ignore[empty-body]

        @staticmethod
        def get_setup_states(spec: Shelf) -> int: ...  # type: ignore[empty-body]

        @staticmethod
        def mutate(*all_mutations: tuple[Shelf, dict[str, dict[str, str] | None]]) -> str: ...  # type: ignore[empty-body]

    decorate: Any = as_target
    head, *faults = refused(decorate, ShelfConnector).split("\n")
    assert head == "target connector ShelfConnector has 5 faults:"
    assert [fault.split(": ", 1)[0] for fault in faults] == [
        "  1. get_persistent_key(spec",
        "  2. apply_setup_change() -> None",
        "  3. mutate(*all_mutations",
        "  4. count_row",
        "  5. get_setup_states",
    ]
    key, change, mutate, count, state = faults
    assert "spec must take Shelf, and is annotated int; it must return str, and is annotated bytes" in key
    assert "coco expects get_persistent_key(spec: Shelf, target_name: str) -> str" in key
    assert "coco passes 3 arguments, and it takes 0" in change
    assert "apply_setup_change(key: str, previous: Shelf | None, current: Shelf | None) -> None" in change
    assert "it must return None, and is annotated str" in mutate
    assert "count_rows(prepared: Shelf) -> int" in count
    assert "begin with an underscore: _count_row" in count
    assert "get_setup_state(spec: Shelf, key_fields: list[FieldSchema]" in state


def test_missing_methods_and_other_faults_come_together() -> None:
    class Half:
        @staticmethod
        def mutate(first: Any) -> None: ...

        @staticmethod
        def applySetupChange(key: str, previous: Any, current: Any) -> None: ...

    text = refused(as_target, Half)
    assert "target connector Half has 3 faults" in text
    assert "it lacks required methods: get_persistent_key, apply_setup_change" in text
    assert "applySetupChange: coco calls no method of this name, but apply_setup_change(" in text
    assert "Shelf: mutate must have exactly one parameter" in text


# -- names
@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("count_row", "count_rows"),
        ("get_setup_states", "get_setup_state"),
        ("list_key", "list_keys"),
        ("listKeys", "list_keys"),
        ("applySetupChange", "apply_setup_change"),
        ("setup_change_apply", "apply_setup_change"),
        ("check_state_compatability", "check_state_compatibility"),
        ("prepar", "prepare"),
        ("validat", "validate"),
        ("read_epcoh", "read_epoch"),
    ],
)
def test_a_public_method_with_nearly_a_known_name_is_refused(name: str, known: str) -> None:
    text = refused(as_target, with_(Target, **{name: staticmethod(lambda *args: None)}))
    assert f"{name}: coco calls no method of this name, but {known}(" in text


@pytest.mark.parametrize(
    "name", ["_count_row", "__count_rows", "clone", "row_count_of", "open", "table_name", "count_docs"]
)
def test_helpers_with_other_names_and_underscores_are_fine(name: str) -> None:
    as_target(with_(Target, **{name: staticmethod(lambda *args: None)}))


def test_misspelt_attributes_are_refused_and_other_ones_are_fine() -> None:
    text = refused(as_target, with_(Target, partial_updates=True))
    assert "partial_updates: coco reads no attribute of this name, but partial_update" in text
    as_target(with_(Target, partial_update=True, stays_open=True, limit=3, Nested=Key))


def test_inherited_misspelt_methods_count_and_those_of_the_standard_library_do_not() -> None:
    class Base(Target):
        @staticmethod
        def count_row(prepared: Any) -> int:
            return 0

    assert "count_row" in refused(as_target, with_(Base))
    as_target(type("Connector", (Target, dict), {"__module__": __name__}))


@given(st.sampled_from(sorted(TARGET.methods)), st.data())
def test_one_wrong_letter_in_a_long_name_is_found(known: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(known) - 1))
    letter = data.draw(st.sampled_from("abcxyz"))
    name = known[:place] + letter + known[place:]
    if len(known.replace("_", "")) > 5 and name not in TARGET.methods:
        assert near_name(name, TARGET.methods) is not None


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_edit_distance_is_symmetric_and_zero_for_equal_texts_alone(one: str, other: str) -> None:
    distance = edit_distance(one, other)
    assert distance == edit_distance(other, one)
    assert (distance == 0) == (one == other)
    assert abs(len(one) - len(other)) <= distance <= max(len(one), len(other))


def test_no_known_name_is_near_to_another_one_that_is_not_known_beside_it() -> None:
    """What coco calls itself must never be refused: names of one contract that are near to each other are all known."""
    for contract in (TARGET, SOURCE, DECLARATION, ATTACHMENT, EXECUTOR, RUNNER):
        names = [name for name in contract.methods if near_name(name, set(contract.methods) - {name})]
        assert set(names) <= {
            "apply_setup_change",
            "apply_setup_changes",
            "get_value",
            "get_values",
            "close",
            "aclose",
        }


# -- how a method is called
@pytest.mark.parametrize(
    ("member", "problem"),
    [
        (lambda prepared, more: 0, "coco passes 1 argument, and it takes 2"),
        (lambda: 0, "coco passes 1 argument, and it takes 0"),
        (lambda prepared, *, unit: 0, "unit must be given by name"),
    ],
)
def test_arguments_that_cannot_be_passed(member: Any, problem: str) -> None:
    text = refused(as_target, with_(Target, count_rows=staticmethod(member)))
    assert problem in text
    assert "coco expects count_rows(prepared: Shelf) -> int" in text


def test_no_parameter_of_these_may_be_left_out_alone() -> None:
    text = refused(as_target, with_(Target, prepare=staticmethod(lambda spec, key_fields: spec)))
    assert "coco passes 1 or 3 arguments, and it takes 2" in text
    assert "(key_fields and value_fields may be left out)" in text


@pytest.mark.parametrize(
    "prepare",
    [
        lambda spec: spec,
        lambda spec, keys=(), values=(): spec,
        lambda spec, keys, values, more=None: spec,
        lambda *args: args,
        lambda spec, *rest, **named: spec,
        lambda spec, *, unit=1: spec,
    ],
)
def test_forms_that_can_be_called(prepare: Any) -> None:
    as_target(with_(Target, prepare=staticmethod(prepare)))


def test_methods_of_every_make() -> None:
    """Static and class methods, partials, wrapped and inherited methods, generics, lambdas, callable objects."""

    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **named: Any) -> Any:
            return function("connection", *args, **named)

        return call

    T = TypeVar("T")

    class Generics(Target, Generic[T]):
        @classmethod
        def count_rows(cls, prepared: T) -> int:
            return 0

    class Counter:
        def __call__(self, prepared: Any) -> int:
            return 0

    def read_rows(prepared: Any, keys: Sequence[Any]) -> dict[Any, Any]:
        return {}

    def list_keys(connection: str, prepared: Any) -> Iterator[list[Any]]:
        yield []

    as_target(Generics)
    as_target(with_(Generics, read_rows=staticmethod(read_rows), list_keys=staticmethod(logged(list_keys))))
    as_target(with_(Target, count_rows=functools.partial(lambda unit, prepared: 0, 1)))
    as_target(with_(Target, count_rows=functools.partialmethod(lambda self, unit, prepared: 0, 1)))
    as_target(with_(Target, count_rows=Counter()))
    as_target(with_(Target, count_rows=staticmethod(functools.cache(lambda prepared: 0))))
    as_target(with_(Target, count_rows=staticmethod(len), values_equal=None, describe=staticmethod(str)))
    as_target(with_(Target, describe=lambda self, key: key))  # on an instance, as one can be made


def test_async_where_something_waits_and_only_there() -> None:
    async def later(*args: Any) -> Any: ...

    async def items(*args: Any) -> Any:
        yield []

    for name in ("count_rows", "get_setup_state", "describe_change", "local_paths", "prepare", "upgrade_key"):
        as_target(with_(Target, **{name: staticmethod(later)}))
    for name in ("validate", "describe", "with_default_name", "with_flow", "list_keys", "data_identity"):
        text = refused(as_target, with_(Target, **{name: staticmethod(later)}))
        assert "it must not be async: coco calls it where nothing can wait" in text
    assert "must not be async" in refused(as_target, with_(Target, list_keys=staticmethod(items)))
    assert "it must have no `yield`" in refused(as_target, with_(Target, count_rows=staticmethod(items)))
    assert "has no `yield`" in refused(as_source, with_(Source, change_stream=later))
    as_source(
        with_(Source, change_stream=items, list=items, list_batches=items, get_values=later, close=later)
    )


def test_a_method_that_is_a_property_or_a_value_is_refused() -> None:
    text = refused(as_target, with_(Target, count_rows=property(lambda self: 3)))
    assert "count_rows: it must be a method, and is a property" in text
    assert "is a value (int)" in refused(as_target, with_(Target, count_rows=3))


def test_methods_of_the_class_need_no_instance() -> None:
    class NeedsSpec(Source):
        def __init__(self, spec: Feed) -> None: ...

    text = refused(as_source, with_(NeedsSpec, check=lambda self, spec: None))
    assert "check" in text
    assert (
        "must be a static or class method: the class cannot be made without arguments (it needs spec)" in text
    )
    text = refused(as_source, with_(NeedsSpec, create=lambda self, spec: None))
    assert "it must be a static or class method (is a @staticmethod missing?)" in text
    as_source(with_(NeedsSpec, create=lambda spec: None))  # works on the class, though it should be static
    as_source(with_(NeedsSpec, provides_ordinal=staticmethod(lambda: True)))


def test_a_forgotten_staticmethod() -> None:
    text = refused(as_target, with_(Target, count_rows=lambda prepared: 0))
    assert "count_rows(prepared): it must be a static or class method (is a @staticmethod missing?)" in text


def test_methods_that_need_another_one() -> None:
    text = refused(as_target, with_(Target, read_epoch=staticmethod(lambda prepared, flow: None)))
    assert "read_epoch is of no use without write_epoch: write write_epoch(prepared: Shelf, flow: str" in text
    assert "without rename" in refused(
        as_target, with_(Target, former_keys=staticmethod(lambda spec, name: []))
    )


# -- annotations
BookNumber = NewType("BookNumber", str)
NAMES = {item.__name__: item for item in (AsyncIterator, Awaitable, Callable, FieldSchema, Sequence)}


def annotated(name: str, **annotations: Any) -> Any:
    """A target whose method of this name has these annotations, by the names of its parameters in the contract."""
    parameters = [parameter for parameter, _ in TARGET.methods[name].parameters]
    function = eval(f"lambda {', '.join(parameters)}: None")
    function.__annotations__ = annotations
    function.__globals__.update(NAMES, Unknown="Nowhere")
    return with_(Target, **{name: staticmethod(function)})


@pytest.mark.parametrize(
    ("name", "annotations", "problem"),
    [
        ("describe", {"key": int}, "key must take str, and is annotated int"),
        ("describe", {"key": "int"}, "key must take str, and is annotated int"),
        ("describe", {"return": "str | None"}, "it must return str, and is annotated str | None"),
        ("get_setup_state", {"spec": "Feed"}, "spec must take Shelf, and is annotated Feed"),
        ("get_setup_state", {"return": "State"}, "it must return Shelf, and is annotated State"),
        (
            "get_setup_state",
            {"key_fields": "tuple[FieldSchema, ...]"},
            "key_fields must take list[FieldSchema]",
        ),
        ("count_rows", {"return": "str"}, "it must return int, and is annotated str"),
        ("count_rows", {"return": None}, "it must return int, and is annotated None"),
        ("count_rows", {"prepared": "Pages"}, "prepared must take Shelf, and is annotated Pages"),
        ("check_state_compatibility", {"return": "bool"}, "it must return TargetStateCompatibility"),
        ("validate", {"return": "bool"}, "it must return None, and is annotated bool"),
        ("describe_change", {"return": "str"}, "it must return Iterable[str], and is annotated str"),
        (
            "list_keys",
            {"return": "AsyncIterator[list[Any]]"},
            "it must return Iterable[list[tuple[Any, ...]]]",
        ),
        ("read_rows", {"return": "list[Any]"}, "it must return Mapping["),
        ("check_existing", {"return": "bool"}, "it must return Adoption | str | None"),
        ("fence", {"token": "int"}, "token must take FencingToken, and is annotated int"),
        ("mutate_columns", {"batches": "tuple[Pages, op.MutationColumns]"}, "are annotated Pages"),
    ],
)
def test_annotations_that_exclude_what_coco_does(
    name: str, annotations: dict[str, Any], problem: str
) -> None:
    assert problem in refused(as_target, annotated(name, **annotations))


@pytest.mark.parametrize(
    ("name", "annotations"),
    [
        ("describe", {"key": Any, "return": Any}),
        ("describe", {"key": "object", "return": "BookNumber"}),
        ("describe", {"key": "str | int", "return": "Any"}),
        ("describe", {"key": "Unknown", "return": "Nowhere.At.All"}),
        ("describe", {"return": NoReturn}),
        (
            "get_setup_state",
            {"spec": "op.TargetSpec", "key_fields": "Sequence[FieldSchema]", "return": "Shelf"},
        ),
        ("get_setup_state", {"spec": "Shelf", "return": "Awaitable[Shelf]"}),
        ("count_rows", {"return": "bool"}),
        ("count_rows", {"return": "Awaitable[int] | int"}),
        ("list_keys", {"return": "list[list[tuple[Any, ...]]]"}),
        ("apply_setup_change", {"key": "str", "previous": "Shelf", "current": "Shelf", "return": None}),
        ("check_existing", {"return": "op.Adoption | None"}),
        ("stored_form", {"return": "Callable[[Any], Any] | None"}),
        ("mutate_columns", {"batches": "tuple[Any, op.MutationColumns]"}),
        ("mutate_columns", {"batches": Any, "return": "None"}),
    ],
)
def test_annotations_that_allow_what_coco_does(name: str, annotations: dict[str, Any]) -> None:
    as_target(annotated(name, **annotations))


def test_the_types_of_the_decorator_count() -> None:
    class Other(Target):
        @staticmethod
        def get_persistent_key(spec: Shelf, target_name: str) -> Key: ...  # type: ignore[override, empty-body]

        @staticmethod
        def get_setup_state(spec: Shelf, keys: Any, values: Any, indexes: Any) -> State: ...  # type: ignore[empty-body]

        @staticmethod
        def prepare(spec: Shelf) -> Pages: ...  # type: ignore[empty-body]

        @staticmethod
        def count_rows(prepared: Pages) -> int: ...  # type: ignore[empty-body]

    dynamic: Any = Other
    op.target_connector(spec_cls=Shelf, persistent_key_type=Key, setup_state_cls=State)(dynamic)
    op.target_connector(spec_cls=Shelf, setup_state_cls=State)(dynamic)
    text = refused(as_target, dynamic)
    assert "it must return str, and is annotated Key" in text
    assert "it must return Shelf, and is annotated State" in text
    assert "count_rows" not in text


def test_annotations_of_inherited_methods_may_be_those_of_another_connector() -> None:
    class Wide(op.TargetSpec):
        folder: str = "."

    op.target_connector(spec_cls=Wide, persistent_key_type=int)(with_(Target))


# -- sources, attachments, declarations, functions, runners
def test_sources() -> None:
    text = refused(
        as_source,
        with_(
            Source,
            get_values=lambda self: [],
            skipped_row=lambda self: [],
            incomplete_prefixes=lambda self, more: [],
        ),
    )
    assert "source connector Connector has 3 faults" in text
    assert "get_values(self): coco passes 1 or 2 arguments, and it takes 0" in text
    assert "expects get_values(self, keys: list[Key], options: SourceReadOptions)" in text
    assert "skipped_row: coco calls no method of this name, but skipped_rows(self)" in text
    assert "incomplete_prefixes(self, more): coco passes 0 arguments, and it takes 1" in text

    class Plain(Source):
        def get_value(self, key: Key) -> Book: ...  # type: ignore[override, empty-body]

    dynamic: Any = Plain
    assert "it must return PartialSourceRowData" in refused(as_source, dynamic)


def test_attachments_and_declarations() -> None:
    class Attachment:
        @staticmethod
        def apply(target_key: str, spec: Label) -> None: ...

        @staticmethod
        def teardown(target_key: str, saved_spec: Label) -> None: ...

    attach = op.attachment_connector(spec_cls=Label, target_kinds=["Shelf"])
    attach(Attachment)
    text = refused(
        attach,
        with_(
            Attachment, tear_down=staticmethod(lambda a, b: None), needs_apply=staticmethod(lambda old: True)
        ),
    )
    assert "tear_down: coco calls no method of this name, but teardown(" in text
    assert "coco passes 2 arguments, and it takes 1. coco expects needs_apply(old: Label, new: Label)" in text

    class Declared:
        @staticmethod
        def get_persistent_key(spec: Room, target_name: str) -> str:
            return spec.name

        @staticmethod
        def apply_setup_change(key: str, previous: Room | None, current: Room | None) -> None: ...

    declare = op.declaration_connector(spec_cls=Room, persistent_key_type=str)
    declare(Declared)
    four = staticmethod(lambda spec, keys, values, indexes: spec)
    assert "coco expects get_setup_state(spec: Room) -> Room" in refused(
        declare, with_(Declared, get_setup_state=four)
    )


def test_executor_classes() -> None:
    class Spec(op.FunctionSpec):
        model: str = "small"

    class Executor:
        spec: Spec

        def __call__(self, text: str) -> str:
            return text

    op.executor_class()(Executor)
    text = refused(
        op.executor_class(),
        with_(
            Executor,
            __annotations__={"spec": Spec},
            analyse=lambda self: str,
            prepare=lambda self, spec: None,
        ),
    )
    assert "executor class Connector has 2 faults" in text
    assert "analyse: coco calls no method of this name, but analyze(self)" in text
    assert "coco passes 0 arguments, and it takes 1. coco expects prepare(self) -> None" in text


def test_runners() -> None:
    class Pool:
        def executor(self, function: op.RemoteFunction) -> Any: ...

        async def close(self) -> None: ...

    op.runner("checked-pool")(Pool)
    text = refused(
        op.runner("checked-pool"), with_(Pool, executor=lambda self: None, closes=lambda self: None)
    )
    assert "runner Connector has 2 faults" in text

    class Blocking(Pool):
        def close(self) -> None: ...  # type: ignore[override]

    assert "it must return Awaitable[None], and is annotated None" in refused(
        op.runner("checked-pool"), Blocking
    )
    op.runner("checked-pool")(lambda: Pool())  # what it makes is not known yet


# -- the protocols
def test_protocols_as_bases_are_promises() -> None:
    """A method that a protocol names and the class does not have counts as missing, not as one that does nothing."""

    class Promised(Target, op.Counts[Shelf], op.ListsKeys[Shelf]):
        @staticmethod
        def count_rows(prepared: Shelf) -> int:
            return 0

    dynamic: Any = Promised
    text = refused(as_target, dynamic)
    assert text == (
        "target connector Promised: it names op.ListsKeys as a base and lacks "
        "list_keys(prepared: Shelf) -> Iterable[list[tuple[Any, ...]]]"
    )

    class Empty(op.Target[Shelf, str, Shelf, Shelf]): ...

    empty: Any = Empty
    assert "lacks required methods: get_persistent_key, apply_setup_change, mutate" in refused(
        as_target, empty
    )

    class Whole(Target, op.Target[Shelf, str, Shelf, Shelf], op.Counts[Shelf]):
        @staticmethod
        def count_rows(prepared: Shelf) -> int:
            return 0

    as_target(Whole)

    class Read(Source, op.Source[Feed, Key, Book], op.ProvidesOrdinals):
        def provides_ordinal(self) -> bool:
            return False

    as_source(Read)


def protocol_methods(*modules: Any) -> dict[str, tuple[type, Any]]:
    found = {}
    for module in modules:
        for protocol in vars(module).values():
            if isinstance(protocol, type) and protocol.__module__ == module.__name__:
                for name, value in vars(protocol).items():
                    if name[0] != "_":
                        found[f"{protocol.__name__}.{name}"] = (protocol, value)
    return found


def contract_of(name: str) -> tuple[Contract, ...]:
    return (TARGET, ATTACHMENT) if name == "target" else (SOURCE,) if name == "source" else (EXECUTOR,)


@pytest.mark.parametrize(
    ("module", "kind"),
    [(target_protocols, "target"), (source_protocols, "source"), (executor_protocols, "executor")],
)
def test_protocols_and_table_say_the_same(module: Any, kind: str) -> None:
    """Names, order of parameters, their types, what is static and what may wait."""
    known = {name: method for contract in contract_of(kind) for name, method in contract.methods.items()}
    shown = protocol_methods(module)
    assert {name.partition(".")[2] for name in shown} == set(known)
    for title, (protocol, value) in shown.items():
        name = title.partition(".")[2]
        method = known[name]
        assert isinstance(value, staticmethod) == method.on_class, title
        if isinstance(value, property):
            assert name in methods.TAKE_OPTIONS
            continue
        signature = inspect.signature(getattr(protocol, name))
        own = [item for item in signature.parameters.values() if item.name != "self"]
        assert [str(item).partition(":")[0] for item in own] == [item for item, _ in method.parameters], title
        for parameter, (_, wanted) in zip(own, method.parameters, strict=True):
            assert plain(parameter.annotation) == wanted, title
        returns = plain(signature.return_annotation)
        if kind == "target" and returns != "Any":
            assert ("Awaitable" in returns) == method.waits, title
            assert method.returns == without_awaitable(returns), title


def without_awaitable(annotation: str) -> str:
    """An annotation without its ``Awaitable[...]``."""
    start = annotation.find("Awaitable[")
    if start < 0:
        return annotation
    end = depth = 0
    for end in range(start, len(annotation)):
        depth += {"[": 1, "]": -1}.get(annotation[end], 0)
        if annotation[end] == "]" and depth == 0:
            break
    rest = [annotation[:start].removesuffix(" | "), annotation[end + 1 :].removeprefix(" | ")]
    return " | ".join(filter(None, rest))


def plain(annotation: str) -> str:
    """An annotation of a protocol with the usual names of its type variables."""
    for mine, usual in (
        ("OwnSpecT", "SpecT"),
        ("GivenKeyT", "KeyT"),
        ("TellsKeyT", "KeyT"),
        ("OwnStateT", "StateT"),
        ("MadeStateT", "StateT"),
        ("MadePreparedT", "PreparedT"),
    ):
        annotation = annotation.replace(mine, usual)
    return annotation


def test_methods_that_need_another_are_in_one_protocol() -> None:
    by_protocol = protocol_methods(target_protocols)
    for name, other in NEEDS.items():
        owner = next(protocol for protocol, _ in by_protocol.values() if name in vars(protocol))
        assert other in vars(owner)


def test_every_protocol_is_public_and_documented() -> None:
    for module in (target_protocols, source_protocols, executor_protocols):
        for name, value in vars(module).items():
            if isinstance(value, type) and value.__module__ == module.__name__:
                assert getattr(op, name) is value
                assert name in op.__all__
                assert value.__doc__
                assert all(item.__doc__ for key, item in vars(value).items() if key[0] != "_")
