"""Secrets of a target do not appear in its state, logs and errors."""

from __future__ import annotations

import dataclasses
import json
import logging
import traceback
from typing import Any

import pytest

from coco.auth_registry import TransientAuthEntryReference
from coco.kit.plain import to_plain
from coco_testing.suite import check
from coco_testing.target.base import WIDER, TargetBase, row


class SecretChecks(TargetBase, kit=True):
    """Secrets."""

    @check()
    def test_secrets_do_not_show(self, spec: Any, caplog: pytest.LogCaptureFixture) -> None:
        """Passwords are not in the spec, key, setup state, description, log, or an error and its causes.

        If it fails: keep an auth reference in the spec instead of the secret.

        If the spec refers to an auth entry, ``secrets`` must give the secret values of the entry.
        """
        with caplog.at_level(logging.DEBUG):
            driver = self.created(spec)
            driver.write({"a": row("one")})
            driver.write(deletes=["a"])
            driver.close()
            driver.drop()
        shown: dict[str, str] = {
            "the spec": json.dumps(to_plain(driver.spec)) + repr(driver.spec),
            "the persistent key": json.dumps(to_plain(driver.key)) + repr(driver.key),
            "the setup state": json.dumps(to_plain(driver.state)) + repr(driver.state),
            "the log": caplog.text,
        }
        describe = driver.method("describe")
        if describe is not None:
            shown["describe"] = str(describe(driver.key))
        shown["the errors for a missing resource"] = self._errors(spec)
        change = driver.method("describe_change")
        if change is not None:
            wider = self.driver(spec, WIDER)
            shown["describe_change"] = "\n".join(change(driver.key, driver.state, wider.state))
        secrets = list(self.secrets(spec))
        assert secrets or not _refers(driver.spec), (
            "the spec refers to an auth entry: define the method `secrets`"
        )
        assert all(len(secret) >= 4 for secret in secrets), (
            "the secret is too short to search for in output: use a longer one"
        )
        for where, text in shown.items():
            for secret in secrets:
                assert secret not in text, f"{where} contains a secret"

    def _errors(self, spec: Any) -> str:
        """The text of the errors as a user sees them, with causes and notes."""
        texts: list[str] = []
        driver = self.driver(spec)
        for upserts, deletes in (({"a": row("one")}, []), ({}, ["a"])):
            try:
                driver.write(upserts, deletes)
            except Exception as error:
                texts += traceback.format_exception(error)
            driver.abandon()
        return "".join(texts)


def _refers(spec: Any) -> bool:
    fields = [getattr(spec, item.name) for item in dataclasses.fields(spec)]
    return any(isinstance(item, TransientAuthEntryReference) for item in fields)
