"""The rules that every function must keep.

Subclass ``FunctionSuite`` as ``TestSomething``, with a fixture ``function`` and the method ``cases``. Each check's
docstring says what it tests and what to look for if it fails.
"""

from __future__ import annotations

import copy
import functools
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from coco.harness import BoundFunction, operation
from coco.kit.packed import pack, unpacker
from coco.kit.plain import from_plain, to_plain
from coco.kit.values import value_decoder, value_encoder
from coco.op import FunctionSpec
from coco_testing.abilities import FULL, RefusedError
from coco_testing.function_driver import ANYTHING, Case, bind, close, own_identity
from coco_testing.suite import Suite, check

FUNCTION_ABILITIES: tuple[str, ...] = ("deterministic", "batching", "pinned_version")
HASH_SEED = "4711"
SIDE_BY_SIDE = 4


_IDENTITY = """
import importlib, json, sys
module, qualname, kind, spec = json.loads(sys.argv[1])
importlib.import_module(module)
from coco_testing.function_driver import identity_of
print("IDENTITY" + identity_of(module, qualname, kind, spec))
"""


class FunctionSuite(Suite, kit=True):
    """Subclass it. Must give: the fixture ``function``, the method ``cases``. May give: ``bad_cases``, ``tolerance``.

    tolerance: relative difference between numbers that count as equal, if arithmetic depends on the batch.
    """

    all_abilities: ClassVar[tuple[str, ...]] = FUNCTION_ABILITIES
    open_names: ClassVar[frozenset[str]] = frozenset({"function", "cases", "bad_cases", "tolerance"})
    tolerance: ClassVar[float] = 0.0

    @pytest.fixture
    def function(self) -> Any:
        """Must give: a spec (an instance of the ``FunctionSpec``), or a function under ``@function``."""
        raise NotImplementedError("define the fixture `function`")

    def cases(self) -> Sequence[Case]:
        """Must give: at least two calls with different results; at least one must state its ``result``."""
        raise NotImplementedError("define the method `cases`")

    def bad_cases(self) -> Sequence[Case]:
        """May give: calls that must raise an error. Each error must concern that call only."""
        return ()

    # -- how the engine does it -------------------------------------------------------------------
    @pytest.fixture(autouse=True)
    def _function(self, function: Any, _session: None) -> None:
        self.spec = function if isinstance(function, FunctionSpec) else None
        self.record: Any = operation(function)

    def bound(self, case: Case, *, nullable: bool = False) -> BoundFunction:
        """The function bound to arguments of its declared types, as in a flow."""
        return bind(self.record, self.spec, case, nullable=nullable)

    def executor(self, bound: BoundFunction) -> Any:
        """A new instance, prepared."""
        made = bound.new_executor()
        prepare = getattr(made, "prepare", None)
        if prepare is not None:
            self.call(prepare)
        return made

    def run(self, bound: BoundFunction, executor: Any, cases: Sequence[Case]) -> list[Any]:
        """Run the cases. Returns results as engine values. A batching function gets all cases in one call."""
        rows = [self._arguments(bound, case) for case in cases]
        if bound.batching:
            results = self.call(executor, [positional[0] for positional, _ in rows])
            assert len(results) == len(cases), f"{len(cases)} items gave {len(results)} results"
            return [bound.encode(item) for item in results]
        found = []
        for positional, named in rows:
            found.append(bound.encode(self.call(functools.partial(executor, *positional, **named))))
        return found

    @staticmethod
    def _arguments(bound: BoundFunction, case: Case) -> tuple[list[Any], dict[str, Any]]:
        natural = [*case.args, *case.kwargs.values()]
        decoded = []
        for param, value in zip(bound.params, natural, strict=True):
            engine = value_encoder(param.type.as_nullable(), (param.name,))(value)
            decoded.append(None if engine is None else param.decode(engine))
        return decoded[: bound.n_positional], dict(
            zip(bound.keywords, decoded[bound.n_positional :], strict=True)
        )

    def same(self, bound: BoundFunction, first: Any, second: Any) -> bool:
        """Whether two results are equal: bit for bit, or within ``tolerance``."""
        if pack(first) == pack(second):
            return True
        if not self.tolerance:
            return False
        decode = value_decoder(bound.result_type, path=["result"])
        return close(decode(first), decode(second), self.tolerance)

    # -- the cases themselves ---------------------------------------------------------------------
    @check()
    def test_cases_say_something(self) -> None:
        """``cases`` has two calls with different results, and one that states its result."""
        cases = self.cases()
        known = [item for item in cases if item.result is not ANYTHING or item.holds is not None]
        assert known, "no case states `result` or `holds`"
        assert len({pack(item) for item in self._each(cases)}) > 1, "all cases have the same result"

    def _each(self, cases: Sequence[Case]) -> list[Any]:
        found = []
        for case in cases:
            own = self.bound(case)
            found += self.run(own, self.executor(own), [case])
        return found

    # -- results ----------------------------------------------------------------------------------
    @check()
    def test_results(self) -> None:
        """Calls give the results that the cases state."""
        for case in self.cases():
            if case.result is ANYTHING and case.holds is None:
                continue
            bound = self.bound(case)
            [found] = self.run(bound, self.executor(bound), [case])
            shown = f"{case.args} {dict(case.kwargs)}"
            if case.result is not ANYTHING:
                wanted = value_encoder(bound.result_type.as_nullable(), ("result",))(case.result)
                assert self.same(bound, found, wanted), f"{shown}: gave {found!r}, expected {wanted!r}"[
                    :2_000
                ]
            if case.holds is not None:
                natural = value_decoder(bound.result_type, path=["result"])(found)
                assert case.holds(natural), f"{shown}: `holds` is false for {natural!r}"[:2_000]

    @check()
    def test_declared_type(self) -> None:
        """Results fit the declared type in every element, so that they can be stored and read again.

        If it fails: ``analyze`` or the annotation declares another type, such as another dimension.
        """
        for case in self.cases():
            bound = self.bound(case)
            [found] = self.run(bound, self.executor(bound), [case])
            if found is None:
                assert bound.result_type.nullable, "the result is null, but the declared type excludes null"
                continue
            read = unpacker(bound.result_type)(pack(found))
            assert pack(read) == pack(found)

    @check()
    def test_type_is_known_beforehand(self) -> None:
        """The result type is the same each time a flow is defined, before and after the function is prepared."""
        case = self.cases()[0]
        bound = self.bound(case)
        before = bound.result_type.encode()
        self.run(bound, self.executor(bound), [case])
        assert self.bound(case).result_type.encode() == before, "the result type changed after the first use"

    @check("deterministic")
    def test_determinism(self) -> None:
        """Equal calls give equal results: when repeated, in another instance, in another order.

        If it fails: the function depends on a random seed, the time, the order of a set, or state kept between calls.
        Cache a function that cannot be deterministic, else each update writes its rows.
        """
        cases = list(self.cases())
        if self.support("deterministic") != FULL and self.bound(cases[0]).enable_cache:
            raise RefusedError("coco caches the results of this function, so it need not be deterministic")
        executors = [self.executor(self.bound(cases[0])) for _ in range(2)]
        runs = [
            [self.run(self.bound(case), executor, [case])[0] for case in ordered]
            for executor in executors
            for ordered in (cases, cases[::-1])
        ]
        for case, *found in zip(cases, runs[0], runs[1][::-1], runs[2], runs[3][::-1], strict=True):
            bound = self.bound(case)
            assert all(self.same(bound, found[0], other) for other in found[1:]), (
                f"{case} gives different results"
            )

    @check("batching")
    def test_batch_equals_single(self) -> None:
        """A batch gives the results of its items alone, in their order. Equal items give equal results.

        If it fails: items sorted by length and not put back, padding that changes results, or a provider's order.
        """
        cases = [case for case in self.cases() if not case.kwargs]
        bound = self.bound(cases[0])
        if not bound.batching:
            raise RefusedError("batching is not declared")
        executor = self.executor(bound)
        single = [self.run(bound, executor, [case])[0] for case in cases]
        batch = [*cases, *reversed(cases), *cases[:1] * 3]
        expected = [*single, *reversed(single), *single[:1] * 3]
        size = bound.max_batch_size or len(batch)
        found = []
        for start in range(0, len(batch), size):
            found += self.run(bound, executor, batch[start : start + size])
        for case, alone, together in zip(batch, expected, found, strict=True):
            assert self.same(bound, alone, together), f"{case} gives another result in a batch than alone"

    @check()
    def test_side_by_side(self) -> None:
        """Concurrent calls in several threads, as the engine makes them, give the same results as single calls.

        If it fails: a call keeps state on the executor, or threads share a client that is not thread-safe.
        """
        cases = list(self.cases()) * SIDE_BY_SIDE
        bounds = [self.bound(case) for case in cases]
        executor = self.executor(bounds[0])
        alone = [self.run(bound, executor, [case])[0] for bound, case in zip(bounds, cases, strict=True)]
        calls = []
        for bound, case in zip(bounds, cases, strict=True):
            positional, named = self._arguments(bound, case)
            function = functools.partial(executor, **named) if named else executor
            calls.append((function, [[positional[0]]] if bound.batching else positional))
        answers = self.call_together(calls)
        for bound, case, expected, answer in zip(bounds, cases, alone, answers, strict=True):
            [raw] = answer if bound.batching else [answer]
            assert self.same(bound, expected, bound.encode(raw)), (
                f"{case}: another result in concurrent calls"
            )

    # -- null -------------------------------------------------------------------------------------
    @check()
    def test_null(self) -> None:
        """Null for a required argument makes the result nullable. Parameters that allow null receive it.

        If it fails: an annotation says ``| None``, but the code does not handle None.
        """
        for case in self.cases():
            values = [*case.args, *case.kwargs.values()]
            bound = self.bound(case, nullable=True)
            for position, param in enumerate(bound.params):
                if param.required:
                    assert bound.result_type.nullable, (
                        f"null for {param.name} gives null, which the type excludes"
                    )
                    continue
                changed = [None if place == position else value for place, value in enumerate(values)]
                given = Case(
                    tuple(changed[: len(case.args)]),
                    dict(zip(case.kwargs, changed[len(case.args) :], strict=True)),
                    types=case.types,
                )
                [found] = self.run(bound, self.executor(bound), [given])
                assert found is None or unpacker(bound.result_type)(pack(found)) == found

    # -- failures ---------------------------------------------------------------------------------
    @check()
    def test_bad_input_is_refused(self) -> None:
        """Each bad case raises an error with a message. A good call after it works.

        If it fails: the function catches an error and returns an invented result.
        """
        good = self.cases()[0]
        for case in self.bad_cases():
            bound = self.bound(case)
            executor = self.executor(bound)
            with pytest.raises(Exception) as caught:  # the check requires an error of any type
                self.run(bound, executor, [case])
            assert not isinstance(caught.value, AssertionError), caught.value
            assert str(caught.value).strip(), f"{type(caught.value).__name__} without a message"
            self.run(self.bound(good), executor, [good])

    # -- identity ---------------------------------------------------------------------------------
    @check()
    def test_identity_is_stable(self) -> None:
        """Equal specs have the same identity: in this process, from JSON, and in a process with another hash seed.

        If it fails: the identity includes a set, a memory address or a default that differs at each start. Each start
        would then compute all rows again.
        """
        case = self.cases()[0]
        identity = self.bound(case).identity
        assert self.bound(case).identity == identity
        if self.spec is not None:
            stored: Any = from_plain(type(self.spec), json.loads(json.dumps(to_plain(self.spec))))
            for other in (copy.deepcopy(self.spec), stored):
                assert bind(self.record, other, case).identity == identity
                assert bind(self.record, other, case).executor_key == self.bound(case).executor_key
        described = self._importable(case)
        if described is None:
            return
        done = subprocess.run(
            [sys.executable, "-c", _IDENTITY, described],
            env={**os.environ, "PYTHONHASHSEED": HASH_SEED},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.rpartition("IDENTITY")[2]) == own_identity(self.record, self.spec)

    def _importable(self, case: Case) -> str | None:
        """Arguments for another process. None if the function cannot be imported by name."""
        origin = self.record.origin
        try:
            importlib.import_module(origin.module)
        except ImportError:
            return None  # defined in a test file
        if origin.is_local or origin.module == "__main__":
            return None
        spec = None if self.spec is None else json.dumps(to_plain(self.spec))
        return json.dumps([origin.module, origin.qualname, self.record.kind, spec])

    @check("pinned_version")
    def test_version_is_pinned(self) -> None:
        """A published function has a ``behavior_version``, so upgrades of its package do not compute all rows again."""
        if self.record.op_args.behavior_version is None:
            raise RefusedError("without behavior_version, the source code is the identity of the function")


__all__ = ["ANYTHING", "FUNCTION_ABILITIES", "Case", "FunctionSuite", "close"]
