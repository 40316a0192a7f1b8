"""Connectors: what decoration checks and records."""

import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import pytest

from coco import op
from coco.errors import DefinitionError
from coco.ops.registry import RegisteredSource, RegisteredTarget, registry
from coco.types.schema import BasicValueType, EnrichedValueType, FieldSchema


class CheckedRows(op.SourceSpec):
    path: str = "."


class CheckedTable(op.TargetSpec):
    """A table."""

    name: str = "t"


class Key(NamedTuple):
    name: str


@dataclasses.dataclass
class Row:
    text: str
    size: int | None = None


def source(cls: Any, **types: Any) -> RegisteredSource:
    op.source_connector(spec_cls=CheckedRows, **(types or {"key_type": Key, "value_type": Row}))(cls)
    record = registry.get(op.OpCategory.SOURCE, "CheckedRows")
    assert isinstance(record, RegisteredSource)
    return record


def target(cls: Any, **options: Any) -> RegisteredTarget:
    op.target_connector(spec_cls=CheckedTable, **options)(cls)
    record = registry.get(op.OpCategory.TARGET, "CheckedTable")
    assert isinstance(record, RegisteredTarget)
    return record


class SourceBase:
    @staticmethod
    def create(spec: CheckedRows) -> Any:
        return SourceBase()

    def list(self) -> list[Any]:
        return []

    def get_value(self, key: Any) -> Any:
        return None


class TargetBase:
    @staticmethod
    def get_persistent_key(spec: CheckedTable, target_name: str) -> str:
        return spec.name

    @staticmethod
    def apply_setup_change(key: str, previous: Any, current: Any) -> None: ...

    @staticmethod
    def mutate(*all_mutations: tuple[CheckedTable, dict[str, Row | None]]) -> None: ...


def text(name: str, kind: str = "Str") -> FieldSchema:
    return FieldSchema(name, EnrichedValueType(BasicValueType(kind)))


# sources


def test_a_sources_fields() -> None:
    """A basic key is a field ``_key``, a struct key its fields."""

    class Connector(SourceBase): ...

    record = source(Connector)
    assert [item.name for item in record.key_fields(CheckedRows())] == ["name"]
    assert [item.name for item in record.value_fields(CheckedRows())] == ["text", "size"]
    record = source(Connector, key_type=str, value_type=Row)
    assert [item.name for item in record.key_fields(CheckedRows())] == ["_key"]


def test_a_sources_types_may_depend_on_the_spec() -> None:

    class Connector(SourceBase):
        @staticmethod
        def types(spec: CheckedRows) -> Any:
            return (Key if spec.path == "." else int), Row

    op.source_connector(spec_cls=CheckedRows)(Connector)
    record = registry.get(op.OpCategory.SOURCE, "CheckedRows")
    assert [item.name for item in record.key_fields(CheckedRows())] == ["name"]
    assert [item.name for item in record.key_fields(CheckedRows("x"))] == ["_key"]


def test_codecs_of_a_source() -> None:
    """Keys and values in, keys back to their type."""

    class Connector(SourceBase): ...

    record = source(Connector)
    key = record.key_encoder(CheckedRows())(Key("a"))
    assert key == ("a",)
    assert record.key_decoder(CheckedRows())(key) == Key("a")
    assert record.value_encoder(CheckedRows())(Row("t", 3)) == ("t", 3)


def test_options_may_be_left_out_of_a_signature() -> None:

    class With(SourceBase):
        async def list(self, options: Any) -> AsyncIterator[Any]:  # type: ignore[override]
            yield options

        def get_value(self, key: Any, options: Any) -> Any:  # type: ignore[override]
            return None

    class Without(SourceBase): ...

    assert source(With).wants_options == {"list": True, "get_value": True}
    assert source(Without).wants_options == {"list": False, "get_value": False}


def test_what_a_source_must_have() -> None:
    """All that is missing in one error."""

    class Empty: ...

    class NoGetValue(SourceBase):
        get_value = None  # type: ignore[assignment]

    def expect(pattern: str, make: Callable[[], Any]) -> None:
        with pytest.raises(ValueError, match=pattern):
            make()

    expect(r"source connector Empty lacks required methods: create, list, get_value", lambda: source(Empty))
    expect(r"lacks required methods: get_value", lambda: source(NoGetValue))
    expect(
        "CheckedRows: give key_type= and value_type=, or a static method types",
        lambda: source(SourceBase, key_type=str),
    )
    expect("value_type must be a struct", lambda: source(SourceBase, key_type=str, value_type=int))
    expect(
        "subclass of SourceSpec",
        lambda: op.source_connector(spec_cls=CheckedTable, key_type=str, value_type=Row),
    )
    expect("CheckedRows: key_type: ", lambda: source(SourceBase, key_type=dict[str, int], value_type=Row))


# targets


def test_key_and_value_of_mutate_are_read_from_its_annotation() -> None:

    class Connector(TargetBase): ...

    record = target(Connector)
    bound = record.bind([text("name")], [text("text"), text("size", "Int64")])
    assert bound.decode_key(("a",)) == "a"
    assert bound.decode_value(("t", 3)) == Row("t", 3)


def test_an_unannotated_mutate_takes_the_natural_form() -> None:

    class Connector(TargetBase):
        @staticmethod
        def mutate(*batches) -> None: ...  # type: ignore[no-untyped-def]

    bound = target(Connector).bind([text("a"), text("b", "Int64")], [text("c")])
    assert bound.decode_key(("x", 1)) == ("x", 1)
    assert bound.decode_value(("v",)) == {"c": "v"}


@pytest.mark.parametrize(
    "form", [dict[str, Any], Any, "dict[str, Any] | None", "Row | dict[str, Any] | None"]
)
def test_loose_values_are_dicts(form: Any) -> None:
    class Connector(TargetBase):
        @staticmethod
        def mutate(*batches: Any) -> None: ...

    Connector.mutate.__annotations__["batches"] = (
        tuple[CheckedTable, dict[Key, form]]
        if not isinstance(form, str)
        else f"tuple[CheckedTable, dict[Key, {form}]]"
    )
    bound = target(Connector).bind([text("name")], [text("c")])
    assert bound.decode_key(("x",)) == Key("x")
    assert bound.decode_value(("v",)) == {"c": "v"}


def test_shapes_of_mutate_that_are_refused() -> None:
    """At decoration, naming the kind."""

    class Two(TargetBase):
        @staticmethod
        def mutate(first: Any, second: Any) -> None: ...  # type: ignore[override]

    class NoPair(TargetBase):
        @staticmethod
        def mutate(*batches: dict[str, Row]) -> None: ...  # type: ignore[override]

    class Unknown(TargetBase):
        @staticmethod
        def mutate(*batches: "tuple[CheckedTable, dict[str, Nowhere]]") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    for cls, pattern in (
        (Two, "CheckedTable: mutate must have exactly one parameter"),
        (NoPair, "CheckedTable: mutate takes tuple"),
        (Unknown, "CheckedTable: cannot resolve the annotation of mutate"),
    ):
        with pytest.raises(DefinitionError, match=pattern):
            target(cls)


def test_fields_that_a_value_class_does_not_know_are_refused() -> None:
    """Both ways, by name."""

    class Connector(TargetBase): ...

    record = target(Connector)
    with pytest.raises(
        DefinitionError, match=r"collected fields other are not declared by Row; it has size, text"
    ):
        record.bind([text("name")], [text("text"), text("other")])
    with pytest.raises(ValueError, match="text"):
        record.bind([text("name")], [text("size", "Int64")])


def test_what_a_target_must_have() -> None:

    class Empty: ...

    class ColumnsOnly:
        get_persistent_key = staticmethod(TargetBase.get_persistent_key)
        apply_setup_change = staticmethod(TargetBase.apply_setup_change)

        @staticmethod
        def mutate_columns(*batches: Any) -> None: ...

    with pytest.raises(
        ValueError, match="Empty lacks required methods: get_persistent_key, apply_setup_change, mutate"
    ):
        target(Empty)
    with pytest.raises(ValueError, match="must be a subclass of TargetSpec"):
        op.target_connector(spec_cls=CheckedRows)
    assert target(ColumnsOnly).method("mutate") is None


def test_methods_may_be_static_class_or_plain() -> None:
    """A plain one is called on a fresh instance, if one can be made."""

    class Mixed(TargetBase):
        @classmethod
        def describe(cls, key: str) -> str:
            return f"{cls.__name__} {key}"

        def with_default_name(self, spec: CheckedTable, name: str) -> CheckedTable:
            return CheckedTable(type(self).__name__)

    record = target(Mixed)
    describe, complete = record.method("describe"), record.method("with_default_name")
    assert describe is not None
    assert complete is not None
    assert describe("k") == "Mixed k"
    assert complete(CheckedTable(), "t") == CheckedTable("Mixed")
    assert record.method("prepare") is None

    class NeedsArguments(Mixed):
        def __init__(self, needed: int) -> None: ...

    with pytest.raises(DefinitionError, match=r"with_default_name.* must be a static or class method"):
        target(NeedsArguments)


# attachments, declarations


def test_attachments_and_declarations_are_open_to_all() -> None:

    class Index(op.TargetAttachmentSpec):
        name: str

    class Nodes(op.DeclarationSpec):
        label: str

    class Attachment:
        @staticmethod
        def apply(target_key: Any, spec: Index) -> None: ...

    with pytest.raises(ValueError, match="lacks required methods: teardown"):
        op.attachment_connector(spec_cls=Index, target_kinds=["CheckedTable"])(Attachment)
    Attachment.teardown = staticmethod(lambda target_key, saved: None)  # type: ignore[attr-defined]
    op.attachment_connector(spec_cls=Index, target_kinds=["CheckedTable"])(Attachment)
    assert registry.get(op.OpCategory.TARGET_ATTACHMENT, "Index").target_kinds == ("CheckedTable",)

    class Declared:
        @staticmethod
        def get_persistent_key(spec: Nodes) -> str:
            return spec.label

    with pytest.raises(ValueError, match="lacks required methods: apply_setup_change"):
        op.declaration_connector(spec_cls=Nodes)(Declared)
    Declared.apply_setup_change = staticmethod(TargetBase.apply_setup_change)  # type: ignore[attr-defined]
    op.declaration_connector(spec_cls=Nodes)(Declared)
    assert registry.get(op.OpCategory.DECLARATION, "Nodes").connector_cls is Declared


def test_decorators_return_the_class() -> None:
    class Connector(TargetBase): ...

    assert op.target_connector(spec_cls=CheckedTable)(Connector) is Connector
    assert registry.get(op.OpCategory.TARGET, "CheckedTable").doc == "A table."
