"""Base of all suites: checks with their abilities, an event loop per test, the audit."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NoReturn, TypeVar

import pytest

from coco.errors import CocoError, is_retriable
from coco.kit.adapters import call_any
from coco_testing.abilities import FULL, KnownFailure, RefusedError, Support
from coco_testing.audit import SuiteError, problems_of, undeclared
from coco_testing.report import FAILS, HOLDS, NOT_DECLARED, REFUSED, Verdict

F = TypeVar("F", bound=Callable[..., Any])


def check(ability: str | None = None) -> Callable[[F], F]:
    """Mark a test method of a suite as a check.

    ability: the ability that the check tests; ``{name}`` stands for an argument of the test. None: always required.
    """

    def mark(body: F) -> F:
        @functools.wraps(body)
        def judged(self: Suite, *args: Any, **kwargs: Any) -> None:
            needed = ability.format(**kwargs) if ability is not None else None
            name = body.__name__ if needed == ability else f"{body.__name__}[{needed}]"
            self._judge(name, needed, lambda: body(self, *args, **kwargs))

        judged.__coco_check__ = ability or "required"  # type: ignore[attr-defined]
        return judged  # type: ignore[return-value]

    return mark


class Suite:
    """Base of the suites. Subclass ``TargetSuite``, ``SourceSuite``, ``FunctionSuite``, ``StoreSuite`` or ``RunnerSuite``.

    abilities: see ``coco_testing.abilities``. Abilities that are not declared are tried out and reported, without an
    error. A complete report and ``--coco-strict`` require that every ability of the suite is declared.
    known_failures: check, or check[ability], to the error that it raises. The check fails if it passes.
    newer_abilities: new in this minor version; they need not be declared until the next one.
    """

    abilities: ClassVar[Mapping[str, Support]] = {}
    known_failures: ClassVar[Mapping[str, KnownFailure]] = {}

    met: Any = None
    """The product that the suite runs against, for the report: ``real_server(...)`` or ``stand_in(...)``."""

    all_abilities: ClassVar[tuple[str, ...]] = ()
    newer_abilities: ClassVar[tuple[str, ...]] = ()
    open_names: ClassVar[frozenset[str]] = frozenset({"abilities", "known_failures", "met"})
    is_kit_suite: ClassVar[bool] = True

    def __init_subclass__(cls, *, kit: bool = False) -> None:
        super().__init_subclass__()
        if kit and cls.__module__.partition(".")[0] != __package__:
            raise SuiteError(f"{cls.__name__}: kit=True is reserved for the suites of the kit")
        if kit:
            cls.is_kit_suite = True
            own = (base.__dict__.get("open_names", frozenset()) for base in cls.__mro__)
            cls.open_names = frozenset().union(*own)
            return
        problems = problems_of(cls)
        if problems:
            raise SuiteError("; ".join(problems))

    @pytest.fixture(autouse=True)
    def _session(self, request: pytest.FixtureRequest) -> Iterator[None]:
        """One event loop for all calls of a test, as a run of the engine has."""
        self.verdict = Verdict()
        self._strict = bool(request.config.getoption("--coco-strict", default=False))
        with asyncio.Runner() as self._runner:
            yield

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a method of the operation as the engine does: a sync method in a thread, an async one on the loop."""
        return self._runner.run(call_any(function, *args))

    def call_together(self, calls: Iterable[tuple[Callable[..., Any], Sequence[Any]]]) -> list[Any]:
        """Make several concurrent calls, as the engine does for different exports. Returns results in order."""
        todo = list(calls)

        async def all_of_them() -> list[Any]:
            return await asyncio.gather(*(call_any(function, *args) for function, args in todo))

        return self._runner.run(all_of_them())

    def support(self, ability: str) -> Support:
        """The declared support; ``FULL`` if the ability is not declared."""
        return self.abilities.get(ability, FULL)

    def _judge(self, name: str, ability: str | None, body: Callable[[], None]) -> None:
        self.verdict = Verdict(name, ability)
        known = self.known_failures.get(name)
        if known is not None:
            try:
                body()
            except known.error as error:
                self.verdict.outcome = "known failure"
                self.verdict.reason = known.reason
                pytest.xfail(f"{known.reason} ({type(error).__name__})")
            raise AssertionError(f"{name} passes now: remove it from known_failures")
        if ability is not None and ability not in self.abilities:
            self._try_out(ability, body)
        support = FULL if ability is None else self.support(ability)
        self.verdict.support = str(support)
        if support == FULL:
            body()
            return
        try:
            body()
        except (CocoError, NotImplementedError) as error:
            if is_retriable(error):
                raise
            self.verdict.outcome = "refused"
            self.verdict.reason = support.reason
            return
        except AssertionError as error:
            raise AssertionError(
                f"{ability} is declared as {support}, but the operation did not refuse it and gave a wrong result ({error})"
            ) from error
        raise AssertionError(f"{ability} is declared as {support}, but it works: declare FULL")

    def _try_out(self, ability: str, body: Callable[[], None]) -> NoReturn:
        """Find out whether an ability that is not declared holds. The test counts as skipped whatever the result."""
        self.verdict.outcome = self.verdict.support = NOT_DECLARED
        try:
            body()
            self.verdict.found = HOLDS
        except (Exception, pytest.fail.Exception) as error:
            told = f"{type(error).__name__}: {error}".partition("\n")[0][:300]
            refused = isinstance(error, (CocoError, NotImplementedError)) and not is_retriable(error)
            self.verdict.found = REFUSED if refused else FAILS
            self.verdict.reason = str(error).partition("\n")[0][:300] if refused else told
        pytest.skip("not declared in `abilities`: tried out, see the summary at the end")

    def need(self, owner: object, method: str) -> Any:
        """The method of ``owner``. Raises ``RefusedError`` if there is none."""
        found = getattr(owner, method, None)
        if found is None:
            raise RefusedError(f"there is no method {method}")
        return found

    @check()
    def test_nothing_is_left_out(self) -> None:
        """All checks are those of the kit. With ``--coco-strict`` every ability is declared.

        If it fails: the message names the attribute. Add checks under new names and never replace one. For
        abilities run ``coco-testing init``, which prints the claim.
        """
        problems = problems_of(type(self))
        missing = undeclared(type(self))
        if missing and self._strict:
            problems.append(f"abilities not declared: {', '.join(missing)}")
        assert not problems, "; ".join(problems)
