"""Binding of a function to the arguments of one use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coco.errors import CocoError, DefinitionError
from coco.ops.calls import call_blocking
from coco.ops.function_record import ArgSchema, BoundFunction, BoundParam, RegisteredFunction
from coco.ops.identity import function_identity
from coco.ops.op_args import OpArgs
from coco.ops.runner_names import PROCESS, RUNNERS
from coco.ops.signature import Kind, Parameter, Signature
from coco.spec import EmptyFunctionSpec
from coco.types.schema import BasicValueType, EngineValue, EnrichedValueType

_POSITIONAL = (Kind.POSITIONAL_ONLY, Kind.POSITIONAL_OR_KEYWORD)


def bind_function(
    record: RegisteredFunction,
    spec: Any,
    args: Sequence[tuple[ArgSchema, str | None]],
    op_args: OpArgs | Mapping[str, Any] | None,
) -> BoundFunction:
    """See ``RegisteredFunction.bind``."""
    if spec is None and record.spec_cls is EmptyFunctionSpec:
        spec = EmptyFunctionSpec()
    if not isinstance(spec, record.spec_cls):
        hint = " of another definition; was its module loaded again?" * (type(spec).__name__ == record.kind)
        raise DefinitionError(
            f"{record.kind}: expected a {record.spec_cls.__name__}, got {type(spec).__name__}{hint}"
        )
    effective = record.op_args.overridden(op_args, record.kind)
    signature = record.signature()
    ordered = [item for item in args if item[1] is None] + [item for item in args if item[1] is not None]
    matched = match_arguments(record.kind, signature, [name for _, name in ordered])
    if effective.batching and any(arg.is_constant for arg, _ in ordered):
        raise DefinitionError(
            f"{record.kind}: a batching function takes no constants; put configuration into its spec"
        )
    params = [
        _bind_param(
            record.kind, parameter, keyword if parameter.kind is Kind.VAR_KEYWORD else parameter.name, arg
        )
        for (arg, keyword), parameter in zip(ordered, matched, strict=True)
    ]
    _check_constants(record, spec, params)
    if effective.gpu or effective.runner is not None:
        where = "gpu=True" if effective.gpu else f"runner={effective.runner!r}"
        RUNNERS.check(record.kind, effective.runner or PROCESS)
        _check_importable(record, where)
        _check_picklable(record, spec, where)
    from coco.types.choices import without_values

    executors = Executors(record, spec)
    result_annotation = executors.analyzed_type() if record.has_analyze else signature.returns
    result_type, encode = _result(record.kind, result_annotation)
    identity_type = without_values(EnrichedValueType(result_type.type, result_type.nullable).encode())
    given = {parameter.name for parameter in matched}
    identity = function_identity(
        kind=record.kind,
        target=record.target,
        origin=record.origin,
        spec=spec,
        behavior_version=effective.behavior_version,
        defaults={
            item.name: item.default
            for item in signature.parameters
            if item.has_default and item.name not in given
        },
        result_type=identity_type,
    )
    return BoundFunction(
        kind=record.kind,
        spec=spec,
        op_args=effective,
        result_type=_with_facts(result_type, effective, params, [arg for arg, _ in ordered], matched),
        params=tuple(params),
        n_positional=sum(name is None for _, name in ordered),
        keywords=tuple(name for _, name in ordered if name is not None),
        encode=encode,
        is_async=record.is_async,
        identity=identity,
        new_executor=executors.new,
        executor_key=(record.target, spec),
        record=record,
    )


def match_arguments(kind: str, signature: Signature, names: Sequence[str | None]) -> list[Parameter]:
    """The parameter of each argument by Python's rules. ``names``: positional (None) ones first."""
    positional = [item for item in signature.parameters if item.kind in _POSITIONAL]
    rest = next((item for item in signature.parameters if item.kind is Kind.VAR_POSITIONAL), None)
    keyword_rest = next((item for item in signature.parameters if item.kind is Kind.VAR_KEYWORD), None)
    by_name = {
        item.name: item
        for item in signature.parameters
        if item.kind in (Kind.POSITIONAL_OR_KEYWORD, Kind.KEYWORD_ONLY)
    }
    matched: list[Parameter] = []
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name is None:
            if index < len(positional):
                parameter = positional[index]
            elif rest is not None:
                parameter = rest
            else:
                count = sum(item is None for item in names)
                raise DefinitionError(
                    f"{kind}: Too many arguments passed in: {count} given, "
                    f"{len(positional)} taken ({_names(positional)})"
                )
        elif name in by_name:
            parameter = by_name[name]
        elif keyword_rest is not None:
            parameter = keyword_rest
        else:
            raise DefinitionError(
                f"{kind}: Unexpected keyword argument passed in: {name!r}; "
                f"parameters are: {_names(signature.parameters)}"
            )
        if parameter.kind in (*_POSITIONAL, Kind.KEYWORD_ONLY):
            if parameter.name in seen:
                raise DefinitionError(f"{kind}: argument {parameter.name!r} is given twice")
            seen.add(parameter.name)
        elif parameter is keyword_rest:
            if f"**{name}" in seen:
                raise DefinitionError(f"{kind}: argument {name!r} is given twice")
            seen.add(f"**{name}")
        matched.append(parameter)
    missing = [
        item.name
        for item in signature.parameters
        if item.kind in (*_POSITIONAL, Kind.KEYWORD_ONLY) and not item.has_default and item.name not in seen
    ]
    if missing:
        raise DefinitionError(f"{kind}: Missing arguments: {', '.join(missing)}")
    return matched


def _names(parameters: Sequence[Parameter]) -> str:
    return ", ".join(item.name for item in parameters) or "none"


def _bind_param(kind: str, parameter: Parameter, name: str | None, arg: ArgSchema) -> BoundParam:
    from coco.types.analyze import AnalyzedUnknownType, analyze_type_info

    shown = name or parameter.name
    try:
        info = analyze_type_info(parameter.annotation)
        if isinstance(info.variant, AnalyzedUnknownType):
            raise DefinitionError(f"Unsupported type annotation: {parameter.annotation}")
        if arg.is_constant:
            return _bind_constant(shown, info, arg)
        if arg.type is None:
            raise DefinitionError("its type is not known")
        decode, identity = _decoder(shown, arg.type, info)
    except ValueError as error:
        raise DefinitionError(f"{kind}: argument {shown!r}: {error}") from error
    return BoundParam(shown, not info.nullable, decode, identity, arg.type)


def _decoder(name: str, source: EnrichedValueType, info: Any) -> tuple[Callable[[EngineValue], Any], bool]:
    from coco.types.decode import is_identity, make_engine_value_decoder

    decode = make_engine_value_decoder([name], source, info)
    return decode, is_identity(decode)


def _bind_constant(name: str, info: Any, arg: ArgSchema) -> BoundParam:
    """A constant takes the way that data takes, so that it arrives in the same form (``500`` as ``500.0``)."""
    from coco.types.analyze import AnalyzedAnyType, AnalyzedDictType, enriched_type_of
    from coco.types.choices import plain_choice
    from coco.types.encode import encoder_for_schema, make_engine_value_encoder

    required = not info.nullable
    value = arg.constant
    natural = isinstance(info.variant, AnalyzedAnyType) or (
        isinstance(info.variant, AnalyzedDictType) and info.variant.value_type is Any
    )
    declared = (arg.type or constant_type(value)) if natural else enriched_type_of(info)
    if value is None:
        null_type = declared.as_nullable()
        decode, identity = _decoder(name, null_type, info)
        return BoundParam(name, required, decode, identity, null_type, constant=True)
    encode = (
        encoder_for_schema(declared, (name,)) if natural else make_engine_value_encoder(info, path=(name,))
    )
    engine = encode(plain_choice(value) if natural else value)
    decode, identity = _decoder(name, declared, info)
    return BoundParam(
        name,
        required,
        decode,
        identity,
        declared,
        constant=True,
        value=decode(engine),
        constant_engine=engine,
    )


def constant_type(value: Any) -> EnrichedValueType:
    """Engine type of a constant that no annotation describes; Json if it is no scalar."""
    from coco.types.analyze import AnalyzedBasicType, analyze_type_info

    if value is None:
        return EnrichedValueType(BasicValueType("Json"), nullable=True)
    info = analyze_type_info(type(value))
    kind = info.variant.kind if isinstance(info.variant, AnalyzedBasicType) else "Json"
    return EnrichedValueType(BasicValueType(kind))


def _check_constants(record: RegisteredFunction, spec: Any, params: Sequence[BoundParam]) -> None:
    check = getattr(record.target, "check_constants", None) if record.is_class else None
    if check is None:
        return
    constants = {item.name: item.value for item in params if item.constant}
    try:
        call_blocking(check, spec, constants)
    except CocoError:
        raise
    except (ValueError, TypeError) as error:
        raise DefinitionError(f"{record.kind}: {error}") from error


def _check_importable(record: RegisteredFunction, where: str) -> None:
    """A child process must find the operation by name."""
    import sys

    module = sys.modules.get(record.origin.module)
    found: Any = module
    for part in record.origin.qualname.split("."):
        found = getattr(found, part, None)
    if record.origin.is_local or found is not record.target:
        raise DefinitionError(
            f"{record.kind}: {where} runs the function in another process, which must import it by name; "
            f"{record.origin.module}.{record.origin.qualname} cannot be imported: define it at the top of a module"
        )
    if record.origin.module == "__main__" and not getattr(module, "__file__", None):
        raise DefinitionError(
            f"{record.kind}: {where} does not work for a function defined in a notebook or at a prompt; "
            "move it into a module"
        )


def _check_picklable(record: RegisteredFunction, spec: Any, where: str) -> None:
    import pickle

    try:
        pickle.dumps(spec)
    except Exception as error:
        raise DefinitionError(
            f"{record.kind}: {where} sends the spec to another process, but it cannot be pickled: {error}"
        ) from error


def _result(kind: str, annotation: Any) -> tuple[EnrichedValueType, Callable[[Any], EngineValue]]:
    from coco.ops.signature import checked_result_type
    from coco.types.analyze import analyze_type_info, enriched_type_of
    from coco.types.encode import make_engine_value_encoder

    checked_result_type(annotation, kind)
    info = analyze_type_info(annotation)
    return enriched_type_of(info), make_engine_value_encoder(info)


def _with_facts(
    result: EnrichedValueType,
    op_args: OpArgs,
    params: Sequence[BoundParam],
    args: Sequence[ArgSchema],
    matched: Sequence[Parameter],
) -> EnrichedValueType:
    """Nullability and lineage attributes."""
    nullable = result.nullable or any(item.required and item.type.nullable for item in params)
    attrs = dict(result.attrs or {})
    if op_args.arg_relationship is not None:
        relationship, name = op_args.arg_relationship
        for arg, param, parameter in zip(args, params, matched, strict=True):
            if parameter.name == name:
                attrs[relationship.value] = _reference(arg, param)
                break
    return EnrichedValueType(result.type, nullable, attrs or None)


def _reference(arg: ArgSchema, param: BoundParam) -> Any:
    if not arg.is_constant:
        return dict(arg.ref) if arg.ref is not None else {"param": param.name}
    from coco.engine_object import plain_data

    try:
        return {"constant": plain_data(arg.constant)}
    except DefinitionError:
        return {"constant": repr(type(arg.constant).__name__)}


class Executors:
    """Makes executors of one use; the instance that was analysed is the first one given out."""

    def __init__(self, record: RegisteredFunction, spec: Any) -> None:
        self._record = record
        self._spec = spec
        self._lock = threading.Lock()
        self._analyzed: list[Any] = []

    def analyzed_type(self) -> Any:
        """What ``analyze`` says the result's type is; failures are definition errors."""
        instance, result = self._make()
        self._analyzed.append(instance)
        return result

    def new(self) -> Any:
        """A function, or an executor with its spec set and analysed, not yet prepared."""
        if not self._record.is_class:
            return self._record.target
        with self._lock:
            if self._analyzed:
                return self._analyzed.pop()
        return self._make()[0]

    def _make(self) -> tuple[Any, Any]:
        record = self._record
        instance = record.target()
        instance.spec = self._spec
        if not record.has_analyze:
            return instance, None
        try:
            return instance, call_blocking(instance.analyze)
        except Exception as error:
            raise DefinitionError(f"{record.kind}: analyze() failed for {self._spec!r}: {error}") from error
