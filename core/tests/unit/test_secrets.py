"""References to secrets: the value is had at use, anew each time, and is nowhere else."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

import coco
from coco import op
from coco.auth_registry import AuthRegistry
from coco.cli.logs import PrintableFormatter
from coco.engine_object import content_data, dump_engine_object, dump_for_identity, load_engine_object
from coco.errors import AuthEntryError, DefinitionError, SecretError, is_retriable, mark_retriable
from coco.kit.secrets import resolve_secret, resolve_secrets
from coco.ops.error_text import masked, masked_error
from coco.plugins import hookimpl
from coco.plugins.built_in import built_in_plugin
from coco.plugins.loader import PluginHost, temporary_host
from coco.plugins.metadata import Candidate
from coco.typing import Secret

VALUE = "tiger-lily-42"


class Vault(ModuleType):
    """A plugin's module. ``answers``: by name; an exception is raised."""

    def __init__(self, name: str, scheme: str) -> None:
        super().__init__(name)
        self.COCO_API = 1
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []

        @hookimpl
        def coco_resolve_secret(ref: str) -> Any:
            self.asked.append(ref)
            if not ref.startswith(f"{scheme}:"):
                return None
            answer = self.answers[ref.partition(":")[2]]
            if isinstance(answer, BaseException):
                raise answer
            return answer

        self.coco_resolve_secret = coco_resolve_secret


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    made = {scheme: Vault(f"{scheme}_of_tests", scheme) for scheme in ("keyring", "vault")}
    for module in made.values():
        monkeypatch.setitem(sys.modules, module.__name__, module)
    candidates = [
        Candidate(f"secrets-{scheme}", module.__name__, lambda s=scheme: (f"coco-secrets-{s}", "1.2"))  # type: ignore[misc]
        for scheme, module in made.items()
    ]
    with temporary_host(PluginHost(lambda: candidates, {}, built_in=built_in_plugin())):
        made["vault"].answers["name"] = VALUE
        yield made["vault"]


class TestReference:
    """What a reference is like."""

    def test_its_repr_shows_the_reference_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("A_PASSWORD", VALUE)
        secret = coco.secret("env:A_PASSWORD")
        assert resolve_secret(secret) == VALUE
        assert repr(secret) == str(secret) == f"{secret}" == "SecretRef('env:A_PASSWORD')"
        assert secret.ref == "env:A_PASSWORD" and isinstance(secret, coco.SecretRef)
        assert VALUE.encode() not in pickle.dumps(secret)

    def test_equality_is_by_reference(self) -> None:
        assert coco.secret("env:A") == coco.secret("env:A") != coco.secret("env:B")
        assert len({coco.secret("env:A"), coco.secret("env:A")}) == 1
        assert pickle.loads(pickle.dumps(coco.secret("env:A"))) == coco.secret("env:A")
        with pytest.raises(dataclasses.FrozenInstanceError):
            coco.secret("env:A").ref = "env:B"  # type: ignore[misc]

    @pytest.mark.parametrize("text", ["", "hunter2hunter2", "env:", ":NAME", "ENV:NAME", 5, None])
    def test_other_text_is_refused_without_showing_it(self, text: Any) -> None:
        with pytest.raises(DefinitionError, match="like 'env:NAME'") as caught:
            coco.secret(text)
        assert "hunter2" not in str(caught.value)

    def test_it_cannot_be_part_of_a_text(self) -> None:
        secret = coco.secret("env:A")
        for join in (lambda: "postgresql://u:" + secret, lambda: secret + "@host"):  # type: ignore[operator]
            with pytest.raises(DefinitionError, match="cannot be part of a text"):
                join()
        with pytest.raises(DefinitionError, match=r"SecretRef\('env:A'\) cannot be part of a text"):
            coco.DatabaseConnectionSpec(url=f"postgresql://u:{secret}@host/db")
        for value in (f"u:{secret}", {"login": [f"{secret}"]}):
            with pytest.raises(DefinitionError, match="Give it a field of its own"):
                AuthRegistry().add("a", value)


class TestBuiltIn:
    """``env:`` and ``file:``."""

    def test_a_variable_of_the_env_file(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text(f"FROM_ENV_FILE={VALUE}\n")
        code = "import coco, coco.kit.secrets as s; print(s.resolve_secret(coco.secret('env:FROM_ENV_FILE')))"
        environ = {name: value for name, value in os.environ.items() if name != "COCO_ENV_FILE"}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=environ,
            check=True,
        )
        assert done.stdout == f"{VALUE}\n"

    @pytest.mark.parametrize(
        ("written", "value"),
        [("a\n", "a"), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("a\nb\n", "a\nb")],
    )
    def test_a_file_loses_the_line_break_at_its_end(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, value: str
    ) -> None:
        (tmp_path / "password").write_bytes(written.encode())
        monkeypatch.chdir(tmp_path)
        assert resolve_secret(coco.secret("file:password")) == value
        assert resolve_secret(coco.secret(f"file:{tmp_path}/password")) == value

    def test_what_cannot_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NOT_SET", raising=False)
        monkeypatch.setenv("EMPTY", "")
        monkeypatch.chdir(tmp_path)
        (tmp_path / "empty").write_text("\n")
        (tmp_path / "binary").write_bytes(b"tiger\xff")
        (tmp_path / "large").write_bytes(b"x" * 70_000)
        for ref, reason in {
            "env:NOT_SET": "the environment variable NOT_SET is not set; set it, in .env for example",
            "env:EMPTY": "the environment variable EMPTY is empty",
            "file:nowhere": f"the file nowhere in {tmp_path} cannot be read: No such file",
            f"file:{tmp_path}": f"the file {tmp_path} cannot be read: Is a directory",
            "file:empty": "is empty",
            "file:binary": "is not UTF-8 text",
            "file:large": "has more than 65536 bytes",
        }.items():
            with pytest.raises(SecretError) as caught:
                resolve_secret(coco.secret(ref), wanted_by="Postgres")
            assert str(caught.value).startswith(f"SecretRef({ref!r}) (wanted by Postgres): ")
            assert reason in str(caught.value) and "tiger" not in str(caught.value)


class TestPlugins:
    """Other schemes."""

    def test_each_use_asks_anew(self, vault: Vault) -> None:
        secret = coco.secret("vault:name")
        assert vault.asked == []  # nothing is looked up before it is used
        assert resolve_secret(secret) == VALUE
        vault.answers["name"] = "rotated since"
        assert resolve_secret(secret) == "rotated since"
        assert resolve_secret("plain") == "plain"
        resolve_secret(coco.secret("env:PATH"))
        assert vault.asked == ["vault:name"] * 2  # what is coco's own is no plugin's business

    def test_a_scheme_without_an_installed_resolver(self) -> None:
        with temporary_host(PluginHost(list, {}, built_in=built_in_plugin())):
            secret = coco.secret("vault:name")  # fine in a process that never needs it
            with pytest.raises(SecretError, match="no installed plugin resolves 'vault:'") as caught:
                resolve_secret(secret)
        assert "coco itself resolves env: and file:; a plugin with the hook" in str(caught.value)

    def test_an_unknown_scheme_names_the_plugins_that_were_asked(self, vault: Vault) -> None:
        with pytest.raises(SecretError, match="no installed plugin resolves 'vualt:'") as caught:
            resolve_secret(coco.secret("vualt:name"))
        assert "secrets-vault (coco-secrets-vault 1.2)" in str(caught.value)

    def test_a_disabled_plugin_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        broken = Candidate("secrets-vault", "no_such_module_of_tests", lambda: ("coco-secrets-vault", "1"))
        with temporary_host(PluginHost(lambda: [broken], {}, built_in=built_in_plugin())):
            with pytest.raises(SecretError, match=r"the plugin secrets-vault .* is disabled: ModuleNotFound"):
                resolve_secret(coco.secret("vault:name"))

    def test_a_resolver_that_raises_shows_its_type_only(self, vault: Vault) -> None:
        vault.answers["name"] = mark_retriable(OSError(f"could not decrypt {VALUE}"))
        with pytest.raises(SecretError) as caught:
            resolve_secret(coco.secret("vault:name"))
        assert str(caught.value).endswith(
            "the plugin secrets-vault (coco-secrets-vault 1.2) failed with OSError"
        )
        assert caught.value.__cause__ is None and caught.value.__context__ is None
        assert is_retriable(caught.value)

    def test_a_secret_error_may_tell_why(self, vault: Vault) -> None:
        vault.answers["name"] = SecretError("the token has expired; log in again")
        with pytest.raises(SecretError, match="the token has expired; log in again"):
            resolve_secret(coco.secret("vault:name"))

    @pytest.mark.parametrize("answer", [b"tiger-lily", 5, ""])
    def test_what_is_no_text_is_refused(self, vault: Vault, answer: Any) -> None:
        vault.answers["name"] = answer
        with pytest.raises(SecretError, match="where text is wanted") as caught:
            resolve_secret(coco.secret("vault:name"))
        assert "tiger" not in str(caught.value)


@dataclasses.dataclass(frozen=True)
class Login:
    """A frozen class, as for auth entries."""

    user: str
    password: Secret
    more: dict[str, Any] = dataclasses.field(default_factory=dict)


class Pair(NamedTuple):
    one: Any
    two: Any


class Model(pydantic.BaseModel, frozen=True):
    """Of Pydantic."""

    token: Secret


class Record(msgspec.Struct, frozen=True):
    """Of msgspec."""

    token: Any


class TestAuthEntries:
    """Wherever an auth entry holds text."""

    def test_a_secret_may_be_a_value_or_a_part_of_one(self, vault: Vault) -> None:
        registry, secret = AuthRegistry(), coco.secret("vault:name")
        assert registry.get(str, registry.add("text", secret)) == VALUE
        assert registry.get(str, registry.add_transient(secret)) == VALUE
        login = Login("me", secret, {"inner": [Login("you", secret)]})
        found = registry.get(Login, registry.add("login", login))
        assert found == Login("me", VALUE, {"inner": [Login("you", VALUE)]})
        assert login.password is secret  # the entry itself keeps the reference
        assert registry.get(Login, registry.add("dict", {"user": "me", "password": secret})) == Login(
            "me", VALUE
        )
        assert registry.get(Model, registry.add("model", Model(token=secret))).token == VALUE
        assert registry.get(Record, registry.add("record", Record(secret))).token == VALUE
        assert registry.get(Pair, registry.add("pair", Pair((secret,), {1}))) == Pair((VALUE,), {1})
        plain = Login("me", "text")
        assert registry.get(Login, registry.add("plain", plain)) is plain

    def test_the_same_reference_is_the_same_entry(self, vault: Vault) -> None:
        registry = AuthRegistry()
        registry.add("a", Login("me", coco.secret("vault:name")))
        vault.answers["name"] = "rotated since"
        registry.add("a", Login("me", coco.secret("vault:name")))
        with pytest.raises(AuthEntryError, match="registered already"):
            registry.add("a", Login("me", coco.secret("vault:other")))

    def test_errors_name_what_needs_the_secret(self, vault: Vault) -> None:
        registry = AuthRegistry()
        ref = registry.add("db", Login("me", coco.secret("env:NEVER_SET_ANYWHERE")))
        with pytest.raises(SecretError, match=r"\(wanted by the auth entry 'db'\)"):
            registry.get(Login, ref)
        with pytest.raises(SecretError, match=r"\(wanted by Postgres\)"):
            registry.get(Login, ref, wanted_by="Postgres")


class Widget(op.FunctionSpec):
    """A spec with a secret."""

    model: str
    api_key: Secret | None = None


class TestSpecs:
    """In fields of specs."""

    def test_dump_load_and_repr(self) -> None:
        spec = Widget("m", coco.secret("env:KEY"))
        dumped = dump_engine_object(spec)
        assert dumped == {"model": "m", "api_key": {"secret": "env:KEY"}}
        assert load_engine_object(Widget, dumped) == spec
        assert "api_key=SecretRef('env:KEY')" in repr(spec)
        assert "secret" in json.dumps(Widget.json_schema())

    def test_identity_does_not_depend_on_it(self) -> None:
        one, two = Widget("m", coco.secret("env:KEY")), Widget("m", coco.secret("file:key"))
        assert dump_for_identity(one) == dump_for_identity(two) == {"model": "m"}
        assert content_data(one) == content_data(two) == content_data(Widget("m"))

        def described(secret: coco.SecretRef) -> Any:
            def call(text: str, key: Any = secret) -> str:
                return text

            return op.describe_identity(call)

        assert described(coco.secret("env:A")) == described(coco.secret("env:B"))

    def test_a_field_for_text_alone_says_so(self) -> None:
        with pytest.raises(ValueError, match=r"expected str, got SecretRef - at Widget\.model"):
            Widget(coco.secret("env:KEY"))  # type: ignore[arg-type]


SECRETS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="*"), min_size=4, max_size=40)


class TestMasking:
    """Values that were had are masked in texts that coco makes."""

    @settings(max_examples=examples(40))
    @given(value=SECRETS, around=st.text(max_size=5))
    def test_in_every_form(self, value: str, around: str) -> None:
        from urllib.parse import quote, quote_plus

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "environ", {"ANY_SECRET": value})
            assert resolve_secret(coco.secret("env:ANY_SECRET")) == value
        for form in (value, quote(value, safe=""), quote_plus(value), json.dumps(value), repr(value)):
            text = masked(f"{around}<{form}>{around}")
            assert value not in text or value in around * 2

    def test_former_values_too(self, vault: Vault) -> None:
        secret = coco.secret("vault:name")
        for value in ("first-of-all", "second-to-none"):
            vault.answers["name"] = value
            resolve_secret(secret)
        assert masked("first-of-all, second-to-none") == "***, ***"

    def test_the_password_of_an_address(self, vault: Vault) -> None:
        vault.answers["name"] = "postgresql://me:pass%20word-1@host/db"
        resolve_secret(coco.secret("vault:name"))
        assert masked("no such user: pass word-1, pass%20word-1") == "no such user: ***, ***"

    def test_logs_of_the_command_line(self, vault: Vault) -> None:
        resolve_secret(coco.secret("vault:name"))
        record = logging.LogRecord("x", logging.WARNING, "f.py", 1, "login %s refused", (VALUE,), None)
        assert PrintableFormatter().format(record) == "login *** refused"

    def test_errors_that_leave_the_process(self, vault: Vault) -> None:
        resolve_secret(coco.secret("vault:name"))
        plain = ValueError("nothing to hide")
        assert masked_error(plain) is plain
        clean = masked_error(OSError(5, f"login with {VALUE} refused"))
        assert isinstance(clean, OSError) and clean.args == (5, "login with *** refused")

        class Stubborn(Exception):
            def __str__(self) -> str:
                return f"login with {VALUE}"

        assert masked_error(Stubborn()) is None


def test_the_resolver_comes_with_the_reference() -> None:
    """A worker that only unpickles a reference can resolve it."""
    data = pickle.dumps(coco.secret("env:SOME_PASSWORD"))
    code = (
        "import pickle, sys\n"
        "from coco.kit.secrets import resolve_secret\n"
        f"print(resolve_secret(pickle.loads({data!r})))"
    )
    environ = {**os.environ, "SOME_PASSWORD": VALUE}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{VALUE}\n"


def test_deep_copies_only_what_changes() -> None:
    value = {"a": [1, Login("me", "text")], "b": {"c": (2, 3)}}
    assert resolve_secrets(value) is value
