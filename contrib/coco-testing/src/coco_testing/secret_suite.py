"""What every resolver of secrets must do, wherever it keeps them (hook ``coco_resolve_secret``).

Subclass ``SecretSuite`` as ``TestSomething``, with the fixtures ``resolve`` and ``planted``. Each check's docstring says what
it catches.
"""

from __future__ import annotations

import threading
import traceback
import uuid
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

import pytest

from coco.errors import SecretError
from coco_testing.abilities import RefusedError
from coco_testing.suite import Suite, check

SECRET_ABILITIES: tuple[str, ...] = ("rotation",)

Resolve: TypeAlias = Callable[[str], Any]


class SecretSuite(Suite, kit=True):
    """Subclass it. Must give: the fixtures ``resolve`` and ``planted``, and ``missing``. May give: ``rotate``, ``met``.

    missing: a reference in a scheme of the plugin behind which there is nothing.
    """

    all_abilities: ClassVar[tuple[str, ...]] = SECRET_ABILITIES
    open_names: ClassVar[frozenset[str]] = frozenset({"missing", "planted", "resolve", "rotate"})
    missing: ClassVar[str] = ""

    @pytest.fixture
    def resolve(self) -> Resolve:
        """Must give: the hook as the plugin's module has it."""
        raise NotImplementedError("give the fixture `resolve`: the plugin's function coco_resolve_secret")

    @pytest.fixture
    def planted(self) -> tuple[str, str]:
        """Must give: (reference, value) of a secret that is there, with at least four characters."""
        raise NotImplementedError("give the fixture `planted`: a reference and the value behind it")

    def rotate(self, reference: str, value: str) -> None:
        """May give, for ``rotation``: put another value behind a reference."""
        raise RefusedError("no `rotate` was given")

    @check()
    def test_a_secret_is_its_text(self, resolve: Resolve, planted: tuple[str, str]) -> None:
        """A reference gives the value that is behind it, as text, whichever thread asks.

        If it fails: connect at the first call, not at import, and share no client that is bound to a thread.
        """
        reference, value = planted
        assert len(value) >= 4, "a value this short is found everywhere"
        found: list[Any] = [resolve(reference)]
        thread = threading.Thread(target=lambda: found.append(_answer(resolve, reference)))
        thread.start()
        thread.join()
        assert found == [value, value], "a secret is not the text that was planted"

    @check()
    def test_schemes_of_others_are_left_to_them(self, resolve: Resolve) -> None:
        """The answer to a scheme that the plugin does not know is None, so that the next plugin is asked.

        If it fails: look at what stands before the first colon, and return None unless it is yours.
        """
        for reference in (f"other-{uuid.uuid4().hex}:name", f"other:{self.missing}"):
            assert _answer(resolve, reference) is None, f"{reference} is no business of this plugin"

    @check()
    def test_what_is_not_there_is_a_secret_error(self, resolve: Resolve, planted: tuple[str, str]) -> None:
        """A reference of the plugin's own without a value raises ``SecretError``, which tells the user why.

        If it fails: raise ``coco.errors.SecretError``; of other errors coco shows the type alone, and None would be taken
        for an unknown scheme. The text names no value of other secrets.
        """
        assert self.missing, "give `missing`: a reference of the plugin's own without a value"
        problem = _answer(resolve, self.missing)
        assert isinstance(problem, SecretError), f"expected a SecretError, got {type(problem).__name__}"
        said = "".join(traceback.format_exception(problem))
        assert str(problem).strip(), "the error says nothing"
        assert planted[1] not in said, "the error shows a value"

    @check("rotation")
    def test_each_use_asks_anew(self, resolve: Resolve, planted: tuple[str, str]) -> None:
        """What was put behind a reference since is what the next call gives.

        If it fails: keep no value; a connection that is made after a rotation must get the new one.
        """
        reference, value = planted
        assert resolve(reference) == value
        self.rotate(reference, f"{value}-rotated")
        assert resolve(reference) == f"{value}-rotated", "a value of before the rotation was given"


def _answer(resolve: Resolve, reference: str) -> Any:
    """What comes back, or the error that is raised."""
    try:
        return resolve(reference)
    except Exception as error:
        return error


__all__ = ["SECRET_ABILITIES", "SecretSuite"]
