"""Functions: decoration, registration, binding, execution (FN-Common)."""

import dataclasses
import datetime
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

import coco
from coco import op
from coco.environment.environment import ENVIRONMENT
from coco.errors import DefinitionError, LifecycleError, UnknownNameError
from coco.ops.decorators import adopt_function, camel_case
from coco.ops.function_record import ArgSchema, BoundFunction
from coco.ops.registry import registered_function, registry
from coco.types.schema import BasicValueType, EnrichedValueType
from coco.typing import Float32, Vector


def basic(kind: str, *, nullable: bool = False) -> EnrichedValueType:
    return EnrichedValueType(BasicValueType(kind), nullable)


def data(kind: str = "Str", *, nullable: bool = False, ref: dict[str, Any] | None = None) -> ArgSchema:
    return ArgSchema(basic(kind, nullable=nullable), ref)


def bind(function: Any, *args: Any, spec: Any = None, op_args: Any = None, **kwargs: Any) -> BoundFunction:
    """One use: ``ArgSchema`` arguments are data, all others constants."""
    record = registered_function(function)
    assert record is not None

    def schema(value: Any) -> ArgSchema:
        return value if isinstance(value, ArgSchema) else ArgSchema(None, constant=value)

    pairs: list[tuple[ArgSchema, str | None]] = [(schema(value), None) for value in args]
    pairs += [(schema(value), name) for name, value in kwargs.items()]
    return record.bind(spec, pairs, op_args)


@pytest.fixture(autouse=True)
def stopped() -> Iterator[None]:
    yield
    coco.stop()


# @function


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("add_prefix", "AddPrefix"),
        ("split", "Split"),
        ("_hidden__name_", "HiddenName"),
        ("to_utf8", "ToUtf8"),
        ("keepCase", "KeepCase"),
    ],
)
def test_kinds(name: str, kind: str) -> None:
    assert camel_case(name) == kind


def test_a_decorated_function_is_still_itself() -> None:
    """Callable as before, marked with its kind; with and without parentheses."""

    @op.function
    def bare_one(text: str) -> str:
        """Say it."""
        return text + "!"

    @op.function()
    async def with_parentheses(text: str) -> str:
        return text

    assert bare_one("a") == "a!"
    assert bare_one.__coco_op_kind__ == "BareOne"  # type: ignore[attr-defined]
    record = registered_function(bare_one)
    assert record is not None
    assert (record.kind, record.doc, record.is_async) == ("BareOne", "Say it.", False)
    record = registered_function(with_parentheses)
    assert record is not None
    assert record.is_async


def test_what_decoration_refuses() -> None:
    """At once, with the name of what is wrong."""

    def expect(error: type[Exception], pattern: str, make: Callable[[], Any]) -> None:
        with pytest.raises(error, match=pattern):
            make()

    def plain(text: str) -> str:
        return text

    def bare(text: str):  # type: ignore[no-untyped-def]
        return text

    def nothing(text: str) -> None:
        return None

    def anything(text: str) -> Any:
        return text

    def generator(text: str) -> Iterator[str]:
        yield text

    def two(texts: list[str], more: list[str]) -> list[str]:
        return texts

    def vector(texts: Vector[str]) -> list[str]:
        return list(texts)

    expect(
        TypeError,
        r"unknown option 'cached'; allowed are: gpu, cache",
        lambda: op.function(cached=True)(plain),
    )
    expect(TypeError, "takes a function, got type", lambda: op.function()(str))
    expect(ValueError, "Specific type annotation is expected", lambda: op.function()(bare))
    expect(ValueError, "must return something", lambda: op.function()(nothing))
    expect(ValueError, "return type", lambda: op.function()(anything))
    expect(ValueError, "is a generator; return a list", lambda: op.function()(generator))
    expect(
        ValueError,
        "Batching is only supported for single argument functions",
        lambda: op.function(batching=True)(two),
    )
    expect(
        ValueError,
        "Expected arguments for batching function to be a list type",
        lambda: op.function(batching=True)(plain),
    )
    expect(
        ValueError,
        "Expected arguments for batching function to be a list type",
        lambda: op.function(batching=True)(vector),
    )
    expect(
        ValueError,
        "arg_relationship names 'other', which is no parameter; parameters are: text",
        lambda: op.function(arg_relationship=(op.ArgRelationship.CHUNKS_BASE_TEXT, "other"))(plain),
    )


@pytest.mark.parametrize(
    ("options", "error", "pattern"),
    [
        ({"gpu": "0"}, TypeError, "gpu must be a bool, got str"),
        ({"batching": 1}, TypeError, "batching must be a bool"),
        ({"behavior_version": True}, TypeError, "behavior_version must be an int, got bool"),
        ({"behavior_version": -1}, ValueError, "at least 0, got -1"),
        ({"max_batch_size": 3}, ValueError, "needs batching=True"),
        ({"max_batch_size": 0, "batching": True}, ValueError, "at least 1, got 0"),
        ({"timeout": 5}, TypeError, "datetime.timedelta, got int"),
        ({"timeout": datetime.timedelta(0)}, ValueError, "must be positive"),
        ({"arg_relationship": "text"}, TypeError, "must be a pair"),
    ],
)
def test_options_are_checked(options: dict[str, Any], error: type[Exception], pattern: str) -> None:
    with pytest.raises(error, match=pattern):
        op.OpArgs(**options)


def test_options_in_effect() -> None:
    """A cache needs no version here."""
    assert op.OpArgs().timeout_seconds == 300
    assert op.OpArgs(timeout=datetime.timedelta(minutes=5)).timeout_seconds == 300
    assert op.OpArgs(cache=True).cache


# binding


@op.function()
def bound(
    first: str, /, second: int, third: float = 0.5, *rest: str, flag: bool = False, **others: str
) -> str:
    return f"{first} {second} {third} {rest} {flag} {others}"


def test_binding_by_pythons_rules() -> None:
    use = bind(bound, data(), data("Int64"), data("Float64"), data(), flag=data("Bool"), more=data())
    assert [item.name for item in use.params] == ["first", "second", "third", "rest", "flag", "more"]
    assert use.n_positional == 4
    assert use.keywords == ("flag", "more")


@pytest.mark.parametrize(
    ("args", "kwargs", "pattern"),
    [
        (1, {}, "Missing arguments: second"),
        (0, {"second": 1}, "Missing arguments: first"),
        (2, {"second": 1}, "argument 'second' is given twice"),
    ],
)
def test_binding_errors(args: int, kwargs: dict[str, Any], pattern: str) -> None:
    """Errors name the function."""
    given = [data(), data("Int64")][:args]
    with pytest.raises(ValueError, match=f"Bound: {pattern}"):
        bind(bound, *given, **{name: data("Int64") for name in kwargs})


def test_too_many_and_unexpected_arguments() -> None:
    @op.function()
    def narrow(text: str) -> str:
        return text

    with pytest.raises(ValueError, match="Too many arguments passed in: 2 given, 1 taken"):
        bind(narrow, data(), data())
    with pytest.raises(
        ValueError, match="Unexpected keyword argument passed in: 'txt'; parameters are: text"
    ):
        bind(narrow, txt=data())
    with pytest.raises(ValueError, match=r"Narrow: argument 'text'.*"):
        bind(narrow, data("Int64"))


def test_nullability_follows_required_arguments() -> None:

    @op.function()
    def required(text: str, more: str | None) -> str:
        return text

    assert not bind(required, data(), data(nullable=True)).result_type.nullable
    assert bind(required, data(nullable=True), data()).result_type.nullable
    assert [item.required for item in bind(required, data(), data()).params] == [True, False]


def test_unannotated_parameters_are_required_and_take_the_natural_form() -> None:

    @op.function()
    def loose(value, other: Any) -> str:  # type: ignore[no-untyped-def]
        return f"{value} {other}"

    use = bind(loose, data("Date", nullable=True), 3)
    assert all(item.required for item in use.params)
    assert use.params[0].decode(1) == datetime.date(1, 1, 1)
    assert use.params[1].value == 3


def test_constants_take_the_type_of_their_parameter() -> None:
    """An int fits a float parameter."""

    @op.function()
    def scaled(text: str, factor: float) -> str:
        return text

    value = bind(scaled, data(), 2).params[1].value
    assert value == 2.0
    assert isinstance(value, float)
    with pytest.raises(DefinitionError, match="Scaled: argument 'factor'"):
        bind(scaled, data(), "two")


def test_lineage() -> None:
    """A reference to the argument's data; none if it was left to its default."""

    @op.function(arg_relationship=(op.ArgRelationship.EMBEDDING_ORIGIN_TEXT, "text"))
    def embedded(number: int, text: str = "") -> Vector[Float32, Literal[2]]:
        return [0.0, 1.0]

    key = "cocoindex.io/embedding_origin_text"
    reference = {"scope": "chunk", "path": ["text"]}
    assert bind(embedded, data("Int64"), data(ref=reference)).result_type.attrs == {key: reference}
    assert bind(embedded, data("Int64"), "constant").result_type.attrs == {key: {"constant": "constant"}}
    assert not bind(embedded, data("Int64")).result_type.attrs
    with_attrs = bind(embedded, data("Int64"), data(ref=reference))
    without = bind(embedded, data("Int64"), data(ref={"scope": "other"}))
    assert with_attrs.identity == without.identity


def test_batching_functions_receive_and_return_elements() -> None:
    """Outside it is T -> R; constants have no place."""

    @op.function(batching=True, max_batch_size=8)
    def lengths(texts: list[str]) -> list[int]:
        return [len(text) for text in texts]

    use = bind(lengths, data())
    assert str(use.result_type) == str(basic("Int64"))
    assert (use.batching, use.max_batch_size) == (True, 8)
    with pytest.raises(DefinitionError, match="a batching function takes no constants"):
        bind(lengths, "constant")


# executor classes


class PrefixWork(op.FunctionSpec):
    """Puts something before a text."""

    prefix: str
    size: int = 2


@op.executor_class(cache=True, behavior_version=1)
class PrefixExecutor:
    spec: PrefixWork
    prepared: int = 0

    async def analyze(self) -> Any:
        return Vector[Float32, Literal[2]] if self.spec.size == 2 else Vector[Float32]

    async def prepare(self) -> None:
        self.prepared += 1

    def __call__(self, text: str) -> Any:
        assert self.prepared == 1
        return [1, len(self.spec.prefix + text)]


def test_analyze_gives_the_type_and_the_encoder_follows() -> None:
    """Async too; the instance that was analysed is used."""
    use = bind(PrefixExecutor, data(), spec=PrefixWork("a"))
    assert "2" in str(use.result_type)
    first = use.new_executor()
    assert first.spec == PrefixWork("a")
    assert use.new_executor() is not first
    assert PrefixWork("a").execute("bc").tolist() == [1.0, 3.0]


def test_an_analyze_that_fails_names_operation_and_spec() -> None:
    class Failing(op.FunctionSpec):
        mode: str

    @op.executor_class()
    class FailingExecutor:
        spec: Failing

        def analyze(self) -> Any:
            raise KeyError("no such mode")

        def __call__(self, text: str) -> Any:
            return text

    with pytest.raises(DefinitionError, match=r"Failing: analyze\(\) failed for .*Failing\(mode='x'\)"):
        bind(FailingExecutor, data(), spec=Failing("x"))


def test_what_executor_classes_must_have() -> None:

    class Some(op.FunctionSpec):
        pass

    class NoSpec:
        def __call__(self, text: str) -> str:
            return text

    class WrongSpec(NoSpec):
        spec: int

    class NoCall:
        spec: Some

    class NeedsArguments(NoSpec):
        spec: Some

        def __init__(self, model: str) -> None:
            self.model = model

    for cls, pattern in (
        (NoSpec, "Expect a `spec` field with type hint"),
        (WrongSpec, "must be annotated with a FunctionSpec"),
        (NoCall, "needs a __call__ method"),
        (NeedsArguments, "made without arguments, but __init__ needs model"),
    ):
        with pytest.raises(ValueError, match=pattern):
            op.executor_class()(cls)


def test_executors_are_shared_by_equal_class_and_spec() -> None:
    one, two = (bind(PrefixExecutor, data(), spec=PrefixWork("a")) for _ in range(2))
    other = bind(PrefixExecutor, data(), spec=PrefixWork("b"))
    assert one.executor_key == two.executor_key
    assert hash(one.executor_key) == hash(two.executor_key)
    assert one.executor_key != other.executor_key


# undecorated functions


def adopted_shout(text: str, times: int = 1) -> str:
    return text.upper() * times


def test_an_annotated_function_needs_no_decorator() -> None:
    """As if decorated with the defaults, and left as it is."""

    @coco.transform_flow()
    def flow(text: coco.DataSlice[str]) -> coco.DataSlice[str]:
        return text.transform(adopted_shout, 2)

    assert flow.eval("a") == "AA"
    assert not hasattr(adopted_shout, "__coco_op_kind__")
    record = adopt_function(adopted_shout)
    assert record.op_args == op.OpArgs()
    with pytest.raises(UnknownNameError):
        registry.get(op.OpCategory.FUNCTION, "AdoptedShout")


def test_a_refused_adoption_says_what_to_do() -> None:
    def bare(text: str, other):  # type: ignore[no-untyped-def]
        return text

    import functools

    for function, pattern in (
        (
            bare,
            r"bare is not registered .* lacks annotations \(other, its result\): decorate it with @coco.op.function",
        ),
        (lambda text: text, "a lambda has no types"),
        (functools.partial(adopted_shout, times=2), "partial is not registered"),
        (len, "len is not registered"),
    ):
        with pytest.raises(DefinitionError, match=pattern):
            adopt_function(function)


# one step's options


def test_options_of_one_step() -> None:
    """They override the declared ones; what belongs to the signature cannot be changed."""

    @op.function(behavior_version=3)
    def stepped(text: str) -> str:
        return text

    use = bind(stepped, data(), op_args={"cache": True})
    assert (use.enable_cache, use.op_args.behavior_version) == (True, 3)
    assert bind(stepped, data(), op_args=op.OpArgs(behavior_version=4)).op_args.behavior_version == 4
    for wrong, error in (({"batching": True}, ValueError), ({"cached": True}, TypeError), (3, TypeError)):
        with pytest.raises(error):
            bind(stepped, data(), op_args=wrong)

    @coco.transform_flow()
    def flow(text: coco.DataSlice[str]) -> coco.DataSlice[str]:
        return text.transform(stepped, op_args={"timeout": datetime.timedelta(seconds=9)})

    assert flow.eval("a") == "a"
    (step,) = flow.inline.graph.transforms
    assert step.function.timeout_seconds == 9


# execute


@dataclasses.dataclass
class Found:
    text: str
    when: datetime.date | None


class FindWord(op.FunctionSpec):
    word: str


@op.executor_class()
class FindExecutor:
    spec: FindWord

    def __call__(self, text: str, *, loose: Any = None, when: datetime.date | None = None) -> list[Found]:
        return [Found(f"{self.spec.word} in {text} {loose!r}", when)]


class TextLengths(op.FunctionSpec):
    pass


@op.executor_class(batching=True)
class LengthsExecutor:
    spec: TextLengths

    async def __call__(self, texts: list[str | None]) -> list[NDArray[np.float32]]:
        return [np.array([0 if text is None else len(text)], dtype=np.float32) for text in texts]


def test_execute_calls_once_in_memory() -> None:
    """Plain values in and out, by position and name, batching functions too."""
    today = datetime.date(2024, 2, 29)
    assert FindWord("a").execute("b", loose={"c": 1}, when=today) == [Found("a in b {'c': 1}", today)]
    assert FindWord("a").execute(text="b") == [Found("a in b None", None)]
    assert TextLengths().execute("four").tolist() == [4.0]
    assert TextLengths().execute(None).tolist() == [0.0]


def test_execute_says_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="Missing arguments: text"):
        FindWord("a").execute()
    with pytest.raises(ValueError, match="Unexpected keyword argument passed in: 'txt'"):
        FindWord("a").execute("b", txt="c")
    with pytest.raises(ValueError, match=r"expected .*, got None - at text"):
        FindWord("a").execute(None)
    with pytest.raises(ValueError, match="at text"):
        FindWord("a").execute(3)


def test_execute_inside_the_loop_of_flows_is_refused() -> None:
    with pytest.raises(LifecycleError, match=r"eval_async\(\)"):
        ENVIRONMENT.loop.run(_execute_there(), "")


async def _execute_there() -> None:
    TextLengths().execute("a")


def test_execute_is_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """What executes lies above the specs; a test may put something else there."""
    seen: list[Any] = []

    def record(spec: Any, args: Any, kwargs: Any) -> str:
        seen.append((spec, args, dict(kwargs)))
        return "done"

    monkeypatch.setattr("coco.ports.execute_spec", record)
    assert FindWord("a").execute("b", loose=1) == "done"
    assert seen == [(FindWord("a"), ("b",), {"loose": 1})]


def test_unhashable_specs_still_share() -> None:
    class Listed(op.FunctionSpec):
        words: list[str]

    assert hash(Listed(["a"])) == hash(Listed(["a"]))
    assert Listed(["a"]) != Listed(["b"])


def test_a_spec_of_a_reloaded_module_is_not_mistaken_for_the_new_one() -> None:
    class PrefixWork(op.FunctionSpec):
        prefix: str

    with pytest.raises(DefinitionError, match="was its module loaded again"):
        bind(PrefixExecutor, data(), spec=PrefixWork("a"))
