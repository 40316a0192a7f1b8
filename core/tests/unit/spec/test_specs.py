"""Specs: dataclasses by metaclass, frozen, checked, printable without secrets."""

import dataclasses
import datetime
import enum
import pickle
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field

from coco import op
from coco.auth_registry import (
    AuthEntryReference,
    TransientAuthEntryReference,
    add_transient_auth_entry,
    ref_auth_entry,
)
from coco.engine_object import (
    NotIdentity,
    dump_engine_object,
    dump_for_identity,
    load_engine_object,
    plain_data,
)
from coco.spec import spec_category, spec_doc, spec_kind


class Mode(enum.Enum):
    FAST = "fast"
    GOOD = "good"


@dataclasses.dataclass
class Inner:
    size: int
    words: list[str] = dataclasses.field(default_factory=list)


class Example(op.FunctionSpec):
    """An example."""

    length: int
    prefix: str = "..."
    mode: Mode = Mode.FAST
    inner: Inner | None = None
    ratio: float = 1
    words: list[str] = dataclasses.field(default_factory=list)
    limits: dict[str, int] | None = None
    kind: Literal["a", "b"] = "a"
    wait: datetime.timedelta = datetime.timedelta(seconds=1)
    api_key: str | None = None
    base: ClassVar[str] = "class"


def test_made_by_keyword_or_position() -> None:
    assert Example(3, "x") == Example(length=3, prefix="x")
    assert Example(3) != Example(4)
    assert hash(Example(3, words=["a"])) == hash(Example(3, words=["a"]))
    assert dataclasses.replace(Example(3), prefix="y") == Example(3, "y")
    assert Example(3).words is not Example(3).words
    assert dataclasses.is_dataclass(Example)


def test_category_and_kind() -> None:
    assert [item.value for item in op.OpCategory] == [
        "function",
        "source",
        "target",
        "declaration",
        "target_attachment",
    ]
    assert spec_category(Example) is spec_category(Example(1)) is op.OpCategory.FUNCTION
    assert spec_category(3) is None
    assert spec_kind(Example(1)) == "Example"
    assert spec_doc(Example) == "An example."
    with pytest.raises(TypeError, match="expected a spec, got int"):
        spec_kind(int)


@pytest.mark.parametrize(
    "base", [op.SourceSpec, op.FunctionSpec, op.TargetSpec, op.DeclarationSpec, op.TargetAttachmentSpec]
)
def test_all_five_bases_are_open(base: type) -> None:
    made = type(base)("Made", (base,), {"__annotations__": {"name": str}, "__module__": __name__})
    assert made(name="x").name == "x"
    assert spec_category(made) is spec_category(base)


def test_a_dataclass_decorator_besides_is_harmless() -> None:

    @dataclasses.dataclass
    class Decorated(op.SourceSpec):  # type: ignore[misc]  # specs are frozen by themselves
        path: str
        depth: int = 1

    assert Decorated("a") == Decorated(path="a", depth=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Decorated("a").path = "b"  # type: ignore[misc]
    with pytest.raises(ValueError, match=r"expected str, got int - at Decorated\.path"):
        Decorated(3)  # type: ignore[arg-type]


def test_a_spec_without_fields() -> None:
    class Bare(op.FunctionSpec):
        """Only this."""

    assert Bare() == Bare()
    assert repr(Bare()).endswith("Bare()")


def test_inheritance_between_specs() -> None:
    class Wider(Example):
        more: str = "m"

    made = Wider(3, more="x")
    assert (made.length, made.more) == (3, "x")
    assert spec_kind(made) == "Wider"
    with pytest.raises(TypeError, match="'needed' has no default but follows 'api_key'"):
        op.SpecMeta("Bad", (Example,), {"__annotations__": {"needed": int}, "__module__": __name__})


def test_mutable_defaults_are_refused_as_by_dataclass() -> None:
    with pytest.raises(ValueError, match="mutable default"):
        op.SpecMeta(
            "Bad",
            (op.FunctionSpec,),
            {"__annotations__": {"words": list}, "words": [], "__module__": __name__},
        )


def test_post_init_may_check_and_set() -> None:

    class Checked(op.FunctionSpec):
        low: int
        high: int = 0
        span: int = dataclasses.field(init=False, default=0)

        def __post_init__(self) -> None:
            if self.high < self.low:
                self.high = self.low  # type: ignore[misc]
            self.span = self.high - self.low  # type: ignore[misc]
            if self.low < 0:
                raise ValueError("low must not be negative")

    assert (Checked(3).high, Checked(3, 5).span) == (3, 2)
    with pytest.raises(ValueError, match="must not be negative"):
        Checked(-1)


def test_specs_are_frozen() -> None:
    """Treated as immutable."""
    spec = Example(3)
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"use dataclasses\.replace\(\)"):
        spec.length = 4  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(spec, "prefix")


@pytest.mark.parametrize(
    ("make", "error", "pattern"),
    [
        (lambda: Example("3"), ValueError, r"expected int, got str - at Example\.length"),  # type: ignore[arg-type]
        (lambda: Example(True), ValueError, "expected int, got bool"),
        (lambda: Example(3, prefix=None), ValueError, r"expected str, got None - at Example\.prefix"),  # type: ignore[arg-type]
        (lambda: Example(3, mode="fast"), ValueError, "expected Mode, got str"),  # type: ignore[arg-type]
        (lambda: Example(3, words=["a", 1]), ValueError, r"at Example\.words\[1\]"),  # type: ignore[list-item]
        (lambda: Example(3, words="ab"), ValueError, r"expected list\[str\], got str"),  # type: ignore[arg-type]
        (lambda: Example(3, limits={"a": "b"}), ValueError, r"at Example\.limits\.a"),  # type: ignore[dict-item]
        (lambda: Example(3, kind="c"), ValueError, "expected 'a' or 'b', got 'c'"),  # type: ignore[arg-type]
        (lambda: Example(3, wait=5), ValueError, "expected timedelta, got int"),  # type: ignore[arg-type]
        (lambda: Example(), TypeError, "Example needs a value for: length"),  # type: ignore[call-arg]
        (lambda: Example(3, prefx="x"), TypeError, r"no field 'prefx' \(did you mean 'prefix'\?\)"),  # type: ignore[call-arg]
        (lambda: Example(3, length=4), TypeError, "given twice"),  # type: ignore[misc]
    ],
)
def test_an_invalid_value_raises_where_the_spec_is_made(
    make: Callable[[], Any], error: type[Exception], pattern: str
) -> None:
    with pytest.raises(error, match=pattern):
        make()


def test_values_are_converted_where_nothing_is_lost() -> None:
    """Equal specs dump equally."""
    assert isinstance(Example(3).ratio, float)
    assert isinstance(Example(3, ratio=2).ratio, float)
    assert Example(3, words=("a", "b")).words == ["a", "b"]  # type: ignore[arg-type]


def test_constraints_of_pydantic_hold() -> None:

    class Bounded(op.FunctionSpec):
        size: Annotated[int, Field(gt=0)]

    assert Bounded(1).size == 1
    with pytest.raises(ValueError, match=r"int \(Input should be greater than 0\).*Bounded\.size"):
        Bounded(0)


def test_secrets_do_not_show() -> None:
    """Neither in repr nor in errors."""

    class Connected(op.TargetSpec):
        connection: AuthEntryReference[str] | None = None
        password: str | None = None
        max_tokens: int = 3

    shown = repr(Connected(ref_auth_entry("db"), "hunter2"))
    assert "hunter2" not in shown
    assert "password=***" in shown
    assert "AuthEntryReference('db')" in shown
    assert "max_tokens=3" in shown
    with pytest.raises(ValueError, match=r"Connected\.max_tokens") as caught:
        Connected(max_tokens="hunter3")  # type: ignore[arg-type]
    assert "hunter3" not in str(caught.value)


def test_stable_references_are_asked_for_where_they_are_needed() -> None:
    """The wider kind takes both, the narrower refuses the transient one with a way out."""

    class Wide(op.SourceSpec):
        key: TransientAuthEntryReference[str]

    class Narrow(op.TargetSpec):
        key: AuthEntryReference[str]

    transient, stable = add_transient_auth_entry("x"), ref_auth_entry("k")
    assert Wide(transient).key is transient
    assert Wide(stable).key is stable
    assert Narrow(stable).key is stable
    with pytest.raises(
        ValueError, match=r"add_auth_entry.*got a TransientAuthEntryReference - at Narrow\.key"
    ):
        Narrow(transient)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="an auth reference"):
        Wide("hunter2")  # type: ignore[arg-type]


def test_dump_and_load() -> None:
    spec = Example(3, mode=Mode.GOOD, inner=Inner(2, ["w"]), limits={"a": 1})
    data = dump_engine_object(spec)
    assert data["mode"] == "good"
    assert data["wait"] == 1.0
    assert "api_key" not in data  # None by default leaves no trace
    loaded: Example = load_engine_object(Example, data)
    assert loaded == spec
    loaded = load_engine_object(Example, {"length": 3, "unknown": 1})
    assert loaded == Example(3)


def test_a_dump_for_readers_and_one_for_the_state() -> None:
    class Place(op.TargetSpec):
        kind: ClassVar[str] = "Ledger"
        connection: AuthEntryReference[str]

    spec = Place(ref_auth_entry("bank"))
    assert dump_engine_object(spec) == {"kind": "Ledger", "connection": {"key": "bank"}}
    assert plain_data(spec) == dump_for_identity(spec) == {"connection": "bank"}
    for data in (dump_engine_object(spec), plain_data(spec)):
        assert load_engine_object(Place, data) == spec


def test_what_cannot_be_dumped_names_the_field() -> None:

    class Odd(op.FunctionSpec):
        thing: Any

    with pytest.raises(ValueError, match=r"builtins\.object as plain data - at Odd\.thing"):
        dump_engine_object(Odd(object()))


def test_what_cannot_alter_results_is_no_part_of_identity() -> None:

    class Model(op.FunctionSpec):
        name: str
        address: NotIdentity[str | None] = None
        key: TransientAuthEntryReference[str] | None = None

    one = Model("m", "http://a", add_transient_auth_entry("x"))
    assert dump_for_identity(one) == dump_for_identity(Model("m", "http://b"))
    assert dump_engine_object(one)["address"] == "http://a"


def test_json_schema() -> None:
    schema = Example.json_schema()
    assert schema["required"] == ["length"]
    assert schema["description"] == "An example."
    assert set(schema["properties"]) == {item.name for item in dataclasses.fields(Example)}


def test_forward_references_are_resolved_when_they_can_be() -> None:

    class Early(op.FunctionSpec):
        later: "Later | None" = None

    class Later(op.FunctionSpec):
        size: int

    globals()["Later"] = Later
    try:
        assert Early(Later(3)).later == Later(3)
        with pytest.raises(ValueError, match=r"Early\.later"):
            Early(3)  # type: ignore[arg-type]
    finally:
        del globals()["Later"]


def test_specs_can_be_pickled() -> None:
    """They travel to child processes."""
    spec = Example(3, inner=Inner(1))
    copy = pickle.loads(pickle.dumps(spec))
    assert copy == spec
    with pytest.raises(dataclasses.FrozenInstanceError):
        copy.length = 4
