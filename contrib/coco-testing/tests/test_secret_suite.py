"""The suite of resolvers on one that keeps every rule, on coco's own, and on one that denies rotation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from mutants_secret import VaultSuite

from coco.plugins import plugin_host
from coco_testing.abilities import UNSUPPORTED, claim
from coco_testing.secret_suite import SECRET_ABILITIES, SecretSuite


class TestVault(VaultSuite, SecretSuite):
    pass


class TestWithoutRotation(VaultSuite, SecretSuite):
    abilities = claim(SECRET_ABILITIES, {"rotation": UNSUPPORTED("a value is for ever")})
    rotate = SecretSuite.rotate


class TestVariables(SecretSuite):
    """``env:``, as coco's own plugin has it."""

    abilities = claim(SECRET_ABILITIES)
    missing = "env:NO_SUCH_VARIABLE_OF_TESTS"

    @pytest.fixture
    def resolve(self) -> Any:
        own = next(plugin for plugin in plugin_host().plugins if plugin.built_in)
        return lambda ref: own.hooks["coco_resolve_secret"](ref=ref)

    @pytest.fixture
    def planted(self, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
        monkeypatch.setenv("VARIABLE_OF_TESTS", "tiger-lily-42")
        return "env:VARIABLE_OF_TESTS", "tiger-lily-42"

    def rotate(self, reference: str, value: str) -> None:
        os.environ[reference.partition(":")[2]] = value


class TestFiles(TestVariables):
    """``file:``."""

    missing = "file:/no/such/file/of/tests"

    @pytest.fixture
    def planted(self, tmp_path: Path) -> tuple[str, str]:
        (tmp_path / "password").write_text("tiger-lily-42\n")
        return f"file:{tmp_path}/password", "tiger-lily-42"

    def rotate(self, reference: str, value: str) -> None:
        Path(reference.partition(":")[2]).write_text(f"{value}\n")
