"""The rules that every resolver of secrets must keep (hook ``coco_resolve_secret``).

Subclass ``SecretSuite`` as ``TestSomething``, with the fixtures ``resolve`` and ``planted``. Each check's docstring says what
it tests.
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

    missing: a reference in a scheme of the plugin that has no secret.
    """

    all_abilities: ClassVar[tuple[str, ...]] = SECRET_ABILITIES
    open_names: ClassVar[frozenset[str]] = frozenset({"missing", "planted", "resolve", "rotate"})
    missing: ClassVar[str] = ""

    @pytest.fixture
    def resolve(self) -> Resolve:
        """Must give: the plugin's function ``coco_resolve_secret``."""
        raise NotImplementedError("define the fixture `resolve`: the plugin's function coco_resolve_secret")

    @pytest.fixture
    def planted(self) -> tuple[str, str]:
        """Must give: (reference, value) of an existing secret of at least four characters."""
        raise NotImplementedError("define the fixture `planted`: a reference and its value")

    def rotate(self, reference: str, value: str) -> None:
        """May give, for ``rotation``: change the value of a reference."""
        raise RefusedError("the suite does not define `rotate`")

    @check()
    def test_a_secret_is_its_text(self, resolve: Resolve, planted: tuple[str, str]) -> None:
        """A reference resolves to its value, as text, in any thread.

        If it fails: connect at the first call, not at import, and do not share a client that is bound to a thread.
        """
        reference, value = planted
        assert len(value) >= 4, "the planted value is too short to search for in messages: use a longer one"
        found: list[Any] = [resolve(reference)]
        thread = threading.Thread(target=lambda: found.append(_answer(resolve, reference)))
        thread.start()
        thread.join()
        assert found == [value, value], "the resolver did not return the planted text"

    @check()
    def test_schemes_of_others_are_left_to_them(self, resolve: Resolve) -> None:
        """The resolver returns None for a scheme of another plugin, so that coco asks the next plugin.

        If it fails: compare the text before the first colon with your scheme, and return None if it differs.
        """
        for reference in (f"other-{uuid.uuid4().hex}:name", f"other:{self.missing}"):
            assert _answer(resolve, reference) is None, (
                f"{reference} has a scheme of another plugin: return None for it"
            )

    @check()
    def test_what_is_not_there_is_a_secret_error(self, resolve: Resolve, planted: tuple[str, str]) -> None:
        """A reference of the plugin without a secret raises ``SecretError`` with the reason.

        If it fails: raise ``coco.errors.SecretError``. Of other errors coco shows only the type, and None means an unknown
        scheme. The message must not contain values of other secrets.
        """
        assert self.missing, "define `missing`: a reference of the plugin that has no secret"
        problem = _answer(resolve, self.missing)
        assert isinstance(problem, SecretError), f"expected a SecretError, got {type(problem).__name__}"
        said = "".join(traceback.format_exception(problem))
        assert str(problem).strip(), "the SecretError has no message"
        assert planted[1] not in said, "the message of the SecretError contains a secret"

    @check("rotation")
    def test_each_use_asks_anew(self, resolve: Resolve, planted: tuple[str, str]) -> None:
        """After a rotation, the next call returns the new value.

        If it fails: do not cache values: a connection after a rotation must use the new one.
        """
        reference, value = planted
        assert resolve(reference) == value
        self.rotate(reference, f"{value}-rotated")
        assert resolve(reference) == f"{value}-rotated", (
            "the resolver returned the value from before the rotation"
        )


def _answer(resolve: Resolve, reference: str) -> Any:
    """The result, or the error that was raised."""
    try:
        return resolve(reference)
    except Exception as error:
        return error


__all__ = ["SECRET_ABILITIES", "SecretSuite"]
