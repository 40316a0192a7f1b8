"""Resolvers of secrets that are wrong in one way each. ``kills``: checks that must fail."""

from __future__ import annotations

import functools
import threading
from typing import Any

import pytest

from coco.errors import SecretError
from coco_testing.abilities import claim
from coco_testing.secret_suite import SECRET_ABILITIES, SecretSuite

VALUES: dict[str, str] = {}


def good(ref: str) -> str | None:
    scheme, _, name = ref.partition(":")
    if scheme != "vault":
        return None
    if name not in VALUES:
        raise SecretError(f"the vault has no {name}")
    return VALUES[name]


class VaultSuite:
    """What the suites share."""

    abilities = claim(SECRET_ABILITIES)
    missing = "vault:missing"
    hook: Any = staticmethod(good)

    @pytest.fixture
    def resolve(self) -> Any:
        return self.hook

    @pytest.fixture
    def planted(self) -> tuple[str, str]:
        VALUES.clear()
        VALUES["name"] = "tiger-lily-42"
        return "vault:name", "tiger-lily-42"

    def rotate(self, reference: str, value: str) -> None:
        VALUES[reference.partition(":")[2]] = value


def mutant(name: str, hook: Any, *kills: str) -> Any:
    return type(f"Test{name}", (VaultSuite, SecretSuite), {"kills": kills, "hook": staticmethod(hook)})


def _bytes(ref: str) -> Any:
    found = good(ref)
    return found if found is None else found.encode()


_home = threading.current_thread()


def _bound_to_a_thread(ref: str) -> str | None:
    if threading.current_thread() is not _home:
        raise RuntimeError("a client of another thread")
    return good(ref)


def _greedy(ref: str) -> str | None:
    return good(f"vault:{ref.partition(':')[2]}")


def _silent(ref: str) -> str | None:
    return VALUES.get(ref.partition(":")[2]) if ref.startswith("vault:") else None


def _talkative(ref: str) -> str | None:
    try:
        return good(ref)
    except SecretError as error:
        raise SecretError(f"none of {VALUES}") from error


def _lookup_error(ref: str) -> str | None:
    return VALUES[ref.partition(":")[2]] if ref.startswith("vault:") else None


_remembered = functools.cache(good)

MISSING = "test_what_is_not_there_is_a_secret_error"
TestBytes = mutant("Bytes", _bytes, "test_a_secret_is_its_text", "test_each_use_asks_anew")
TestBoundToAThread = mutant("BoundToAThread", _bound_to_a_thread, "test_a_secret_is_its_text")
TestGreedy = mutant("Greedy", _greedy, "test_schemes_of_others_are_left_to_them")
TestSilent = mutant("Silent", _silent, MISSING)
TestTalkative = mutant("Talkative", _talkative, MISSING)
TestLookupError = mutant("LookupError", _lookup_error, MISSING)
TestRemembered = mutant("Remembered", _remembered, "test_each_use_asks_anew")
