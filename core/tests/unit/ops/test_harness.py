"""coco.harness: operations as test kits get at them."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from coco import harness, op
from coco.errors import DefinitionError, UnknownNameError
from coco.typing import BasicValueType, EnrichedValueType

TEXT = EnrichedValueType(BasicValueType("Str"))


@op.function(behavior_version=1)
def harness_shout(text: str) -> str:
    return text.upper()


class HarnessEcho(op.FunctionSpec):
    times: int


@op.executor_class(behavior_version=1)
class HarnessEchoExecutor:
    spec: HarnessEcho

    def __call__(self, text: str) -> str:
        return text * self.spec.times


class HarnessOrphan(op.TargetSpec):
    pass


def test_a_function_is_bound_and_called() -> None:
    record = harness.operation(HarnessEcho(2))
    assert record is harness.operation(HarnessEcho) is harness.operation(HarnessEchoExecutor)
    bound = record.bind(HarnessEcho(2), [(harness.ArgSchema(TEXT), None)])
    assert isinstance(bound, harness.BoundFunction)
    assert bound.encode(bound.new_executor()("ab")) == "abab"
    assert harness.operation(harness_shout).is_class is False


def test_identity_is_of_function_and_spec() -> None:
    record = harness.operation(HarnessEcho)
    once, twice = (harness.identity_without_arguments(record, HarnessEcho(times)) for times in (1, 2))
    assert once == harness.identity_without_arguments(record, HarnessEcho(1))
    assert once.code != twice.code


def test_runners_by_name() -> None:
    assert callable(harness.runner("process").executor)
    with pytest.raises(DefinitionError, match="no runner named 'harness-none'"):
        harness.runner("harness-none")


def test_program_has_the_commands() -> None:
    answer = CliRunner().invoke(harness.program(), ["--help"])
    assert answer.exit_code == 0 and "update" in answer.output


def test_what_is_no_operation() -> None:
    with pytest.raises(TypeError, match="neither a spec nor a registered function"):
        harness.operation(len)
    with pytest.raises(UnknownNameError, match="HarnessOrphan"):
        harness.operation(HarnessOrphan())
