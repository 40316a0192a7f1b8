"""Settings, credentials and namespaces."""

import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import coco
from coco import op
from coco.auth_registry import (
    AuthEntryReference,
    AuthRegistry,
    TransientAuthEntryReference,
    get_auth_entry,
)
from coco.engine_object import dump_engine_object
from coco.environment.environment import ENVIRONMENT, Environment, current_settings
from coco.errors import AuthEntryError, LifecycleError
from coco.lib import get_app_namespace
from coco.operations.settings_report import settings_report
from coco.setting import mask_url

NAMES = (
    "DATABASE_URL",
    "DATABASE_USER",
    "DATABASE_PASSWORD",
    "DATABASE_MAX_CONNECTIONS",
    "DATABASE_MIN_CONNECTIONS",
    "DATABASE_SCHEMA_NAME",
    "APP_NAMESPACE",
    "SOURCE_MAX_INFLIGHT_ROWS",
    "SOURCE_MAX_INFLIGHT_BYTES",
    "IGNORE_TARGET_DROP_FAILURES",
    "SERVER_ADDRESS",
    "SERVER_CORS_ORIGINS",
    "STATE_URL",
)


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in NAMES:
        for prefix in ("COCO_", "COCOINDEX_"):
            monkeypatch.delenv(prefix + name, raising=False)
    coco.stop()
    monkeypatch.setattr(ENVIRONMENT, "_settings_function", None)
    yield
    coco.stop()


# settings


def test_defaults() -> None:
    assert coco.Settings.from_env() == coco.Settings(
        global_execution_options=coco.GlobalExecutionOptions(1024, None)
    )
    spec = coco.DatabaseConnectionSpec("postgres://h/d")
    assert (spec.max_connections, spec.min_connections) == (25, 5)
    assert coco.ServerSettings.from_env() == coco.ServerSettings("127.0.0.1:49344", None)


def test_every_variable_in_both_spellings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shorter spelling wins."""
    values = {
        "DATABASE_URL": "postgres://h/d",
        "DATABASE_USER": "u",
        "DATABASE_PASSWORD": "p",
        "DATABASE_MAX_CONNECTIONS": "9",
        "DATABASE_MIN_CONNECTIONS": "2",
        "DATABASE_SCHEMA_NAME": "s",
        "APP_NAMESPACE": "dev",
        "SOURCE_MAX_INFLIGHT_ROWS": "7",
        "SOURCE_MAX_INFLIGHT_BYTES": "8",
        "IGNORE_TARGET_DROP_FAILURES": "true",
    }
    expected = coco.Settings(
        coco.DatabaseConnectionSpec("postgres://h/d", "u", "p", 9, 2),
        "dev",
        coco.GlobalExecutionOptions(7, 8),
        "s",
        True,
    )
    for prefix in ("COCOINDEX_", "COCO_"):
        with monkeypatch.context() as patch:
            for name, value in values.items():
                patch.setenv(prefix + name, value)
            assert coco.Settings.from_env() == expected
    monkeypatch.setenv("COCOINDEX_APP_NAMESPACE", "old")
    monkeypatch.setenv("COCO_APP_NAMESPACE", "new")
    assert coco.Settings.from_env().app_namespace == "new"
    monkeypatch.setenv("COCO_APP_NAMESPACE", "")  # counts as unset
    assert coco.Settings.from_env().app_namespace == "old"


def test_a_variable_that_does_not_parse_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCOINDEX_SOURCE_MAX_INFLIGHT_ROWS", "many")
    with pytest.raises(
        ValueError,
        match=r"^failed to parse environment variable COCOINDEX_SOURCE_MAX_INFLIGHT_ROWS: many$",
    ) as caught:
        coco.Settings.from_env()
    assert isinstance(caught.value.__cause__, ValueError)
    monkeypatch.delenv("COCOINDEX_SOURCE_MAX_INFLIGHT_ROWS")
    monkeypatch.setenv("COCO_IGNORE_TARGET_DROP_FAILURES", "perhaps")
    with pytest.raises(ValueError, match="COCO_IGNORE_TARGET_DROP_FAILURES: perhaps"):
        coco.Settings.from_env()


@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (
            lambda: coco.GlobalExecutionOptions(0),
            "source_max_inflight_rows.*COCO_SOURCE_MAX_INFLIGHT_ROWS.*got 0",
        ),
        (lambda: coco.GlobalExecutionOptions(1, -1), "source_max_inflight_bytes must be at least 1"),
        (lambda: coco.DatabaseConnectionSpec("x", max_connections=0), "COCO_DATABASE_MAX_CONNECTIONS"),
        (
            lambda: coco.DatabaseConnectionSpec("x", min_connections=30),
            r"min_connections \(30\) must not exceed",
        ),
        (lambda: coco.Settings(app_namespace="1a"), "app_namespace '1a'.*COCO_APP_NAMESPACE"),
        (lambda: coco.Settings(app_namespace="a.b"), "app_namespace 'a.b'"),
        (lambda: coco.Settings(app_namespace="__a"), "double underscore"),
        (lambda: coco.Settings(app_namespace="a__"), "double underscore"),
    ],
)
def test_limits_and_names(make: Any, pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern):
        make()


def test_limits_can_be_switched_off() -> None:
    options = coco.GlobalExecutionOptions(None, None)
    assert options.source_max_inflight_rows is None


def test_login_without_a_url_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCO_DATABASE_USER", "u")
    monkeypatch.setenv("COCO_DATABASE_PASSWORD", "hunter2")
    with pytest.warns(
        UserWarning, match="COCO_DATABASE_USER, COCO_DATABASE_PASSWORD without COCO_DATABASE_URL"
    ) as seen:
        assert coco.Settings.from_env().database is None
    assert len(seen) == 1
    assert "hunter2" not in str(seen[0].message)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://u:hunter2@h:1/d", "postgres://u:***@h:1/d"),
        ("postgres://u:hun@ter2@h/d", "postgres://u:***@h/d"),
        ("postgres://u:hun/ter2@h/d", "postgres://u:***@h/d"),
        ("postgres://:hunter2@h/d", "postgres://***@h/d"),
        ("postgres://u@h/d", "postgres://***@h/d"),
        ("postgres://h/d?user=u&password=hunter2&x=1", "postgres://h/d?user=u&password=***&***"),
        ("postgres://h1:1,h2/d?sslmode=require", "postgres://h1:1,h2/d?sslmode=require"),
        ("postgres://u:hunter2h/d", "postgres://u***"),
        ("postgres//u:hunter2@h/d", "***@h/d"),
        ("postgres:/u:hunter2@h/d", "postgres:***@h/d"),
        ("hunter2", "***"),
        ("127.0.0.1:7687", "127.0.0.1:7687"),
        ("localhost:7687", "localhost:7687"),
        ("127.0.0.1:hunter2", "***"),
        ("host=h pasword=hunter2", "host=h ***"),
        ("postgres://[::1]:5432/d", "postgres://[::1]:5432/d"),
        ("host=h password=hunter2 dbname=d", "host=h password=*** dbname=d"),
        ("sqlite:///a.db", "sqlite:///a.db"),
    ],
)
def test_passwords_do_not_show(url: str, shown: str) -> None:
    assert mask_url(url) == shown
    spec = coco.DatabaseConnectionSpec(url, password="hunter3")
    settings = coco.Settings(spec)
    assert "hunter" not in repr(spec) + repr(settings) + str(settings)


SECRET = st.lists(st.text(alphabet="@:/?#[]=&% ;,'\\\"ü", max_size=2), min_size=1, max_size=3).map(
    lambda marks: "Zq7" + "Zq7".join(marks) + "Zq7"
)
"""Passwords with any signs in them, of which no piece may be seen."""
FORMS = (
    "postgresql://user:{}@host:5432/name?sslmode=require",
    "postgres://user:{}@host",
    "postgresql://host/name?user=me&password={}&sslmode=require",
    "host=host user=me password={} dbname=name",
    "https://user:{}@host/path",
)


@given(st.sampled_from(FORMS), SECRET, st.data())
def test_passwords_do_not_show_in_mistyped_urls(form: str, secret: str, data: st.DataObject) -> None:
    """One sign is left out, or another one stands in its place or before it, anywhere but in the password."""
    before, after = form.split("{}")
    if "password={}" in form:  # there a space or an & in the password ends it, whatever is typed
        secret = secret.replace(" ", "").replace("&", "")
    text = before + "\0" + after
    place = data.draw(st.integers(0, len(text) - 1).filter(lambda number: text[number] != "\0"))
    other = data.draw(st.sampled_from(["", *"@:/?#=& ;.\\%x"]))
    kept = data.draw(st.booleans())
    wrong = (text[:place] + other + text[place + (0 if kept else 1) :]).replace("\0", secret)
    assert "Zq7" not in mask_url(wrong), wrong
    assert "Zq7" not in repr(coco.DatabaseConnectionSpec(wrong))


@pytest.mark.parametrize(
    ("url", "lasts"), [(None, True), ("sqlite:///x.db", True), ("memory://", False), ("other://host", True)]
)
def test_whether_state_lasts_is_known_without_opening_it(
    url: str | None, lasts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if url is None:
        monkeypatch.delenv("COCO_STATE_URL", raising=False)
    else:
        monkeypatch.setenv("COCO_STATE_URL", url)
    assert coco.is_persistent() is lasts
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30d", 2_592_000),
        ("12h", 43_200),
        ("90m", 5_400),
        ("45 s", 45),
        ("2W", 1_209_600),
        ("0", 0),
        ("1.5d", 129_600),
    ],
)
def test_how_long_results_are_kept(text: str, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCO_MEMO_KEEP", text)
    assert coco.Settings.from_env().memo_keep.total_seconds() == seconds


@pytest.mark.parametrize("text", ["30", "d", "-1d", "1y", "9999999999999w", "P30D"])
def test_a_time_that_cannot_be_read_says_how(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCO_MEMO_KEEP", text)
    with pytest.raises(ValueError, match=r"COCO_MEMO_KEEP.*such as 30d, 12h"):
        coco.Settings.from_env()


def test_what_is_explicit_wins() -> None:
    """And supplies the whole."""
    calls = []

    @coco.settings
    def chosen() -> coco.Settings:
        calls.append(1)
        return coco.Settings(app_namespace="function")

    assert calls == []
    assert chosen().app_namespace == "function"
    assert current_settings().app_namespace == "function"
    coco.stop()
    coco.init(coco.Settings(app_namespace="explicit"))
    assert current_settings() == coco.Settings(app_namespace="explicit")


def test_the_environment_is_the_last_resort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCO_APP_NAMESPACE", "env")
    coco.init()
    assert current_settings().app_namespace == "env"


def test_a_second_settings_function_warns() -> None:
    """With parentheses too."""
    coco.settings()(lambda: coco.Settings())
    with pytest.warns(UserWarning, match="a second settings function replaces the first"):
        coco.settings(lambda: coco.Settings(app_namespace="second"))
    assert current_settings().app_namespace == "second"


def test_initialised_once() -> None:
    coco.init(coco.Settings(app_namespace="one"))
    coco.init(coco.Settings(app_namespace="one"))
    coco.init()
    with pytest.raises(LifecycleError, match=r"other settings; call coco\.stop\(\) first"):
        coco.init(coco.Settings(app_namespace="two"))
    coco.stop()
    coco.init(coco.Settings(app_namespace="two"))
    assert current_settings().app_namespace == "two"


def test_a_failed_initialisation_can_be_repeated() -> None:
    answers: list[Any] = [RuntimeError("not yet"), coco.Settings(app_namespace="ready")]

    @coco.settings
    def chosen() -> coco.Settings:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, coco.Settings)
        return answer

    with pytest.raises(RuntimeError, match="not yet"):
        coco.init()
    assert current_settings().app_namespace == "ready"


def test_concurrent_first_use_asks_once() -> None:
    environment = Environment()
    calls: list[int] = []
    barrier = threading.Barrier(8)

    def chosen() -> coco.Settings:
        calls.append(1)
        return coco.Settings(app_namespace="shared")

    environment.set_settings_function(chosen)

    def use() -> None:
        barrier.wait()
        assert environment.namespace == "shared"

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1]


def test_init_shows_the_right_form() -> None:
    with pytest.raises(TypeError, match=r"database_url; write coco\.init\(coco\.Settings\(\.\.\.\)\)"):
        coco.init(database_url="x")
    with pytest.raises(TypeError, match="takes a Settings object"):
        coco.init("x")  # type: ignore[arg-type]


def test_where_state_lives(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The explicit URL, else Postgres if its store is there, else the local file, without a word."""
    host = importlib_host(monkeypatch, installed=False)
    assert Environment().state_url() == "sqlite:///.coco/state.db"
    environment = Environment()
    environment.init(coco.Settings(coco.DatabaseConnectionSpec("postgresql://u:old@h/d?a=b", "me", "p/w@")))
    assert environment.state_url() == environment.state_url() == "sqlite:///.coco/state.db"
    assert caplog.records == []
    host["installed"] = True
    assert environment.state_url() == "postgres://me:p%2Fw%40@h/d?a=b"
    monkeypatch.setenv("COCO_STATE_URL", "memory://")
    assert environment.state_url() == "memory://"


def test_state_in_a_database_that_secrets_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """References are resolved for the store's URL, only if there is such a store, and the report shows them."""
    url, password = coco.secret("env:URL_OF_TESTS"), coco.secret("env:PASSWORD_OF_TESTS")
    environment = Environment()
    environment.init(coco.Settings(coco.DatabaseConnectionSpec(url, password=password)))
    host = importlib_host(monkeypatch, installed=False)
    assert environment.state_url() == "sqlite:///.coco/state.db"  # nothing is asked for
    host["installed"] = True
    monkeypatch.setenv("URL_OF_TESTS", "postgresql://me@h/d")
    monkeypatch.setenv("PASSWORD_OF_TESTS", "p/w@")
    assert environment.state_url() == "postgres://me:p%2Fw%40@h/d"
    shown = {line.name: line.value for line in settings_report(environment).settings}
    assert shown["state_url"] == shown["database.url"] == "SecretRef('env:URL_OF_TESTS')"
    assert shown["database.password"] == "SecretRef('env:PASSWORD_OF_TESTS')"
    monkeypatch.setenv("URL_OF_TESTS", "mysql://me@h/d")
    assert environment.state_url() == "sqlite:///.coco/state.db"


def importlib_host(monkeypatch: pytest.MonkeyPatch, *, installed: bool) -> dict[str, bool]:
    """A plugin host that has the Postgres store or not."""
    from coco import plugins

    state = {"installed": installed}

    class Host:
        def store(self, scheme: str) -> object | None:
            return object() if state["installed"] and scheme == "postgres" else None

    monkeypatch.setattr(plugins, "plugin_host", Host)
    return state


def test_cors_origins() -> None:
    assert coco.ServerSettings.parse_cors_origins(" http://a , ,http://b") == ["http://a", "http://b"]


# namespaces


def test_namespace_and_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolved when first asked for, so init may come after the flows."""
    flow = coco.open_flow("Spaced", lambda builder, scope: None)
    try:
        coco.init(coco.Settings(app_namespace="dev"))
        assert (flow.name, flow.full_name) == ("Spaced", "dev.Spaced")
        assert get_app_namespace() == "dev"
        assert get_app_namespace(trailing_delimiter="__") == "dev__"
        coco.stop()
        assert get_app_namespace(trailing_delimiter="__") == ""
    finally:
        flow.close()
    assert coco.split_app_namespace("dev.a.b", ".") == ("dev", "a.b")
    assert coco.split_app_namespace("a", ".") == ("", "a")


@pytest.mark.parametrize("name", ["a.b", "1a", "__a", "a__", "", "ä b"])
def test_flow_names_are_checked(name: str) -> None:
    with pytest.raises(ValueError, match="invalid flow name"):
        coco.open_flow(name, lambda builder, scope: None)


# credentials


@dataclass
class Login:
    user: str
    password: str


def test_entries_by_key() -> None:
    entries = AuthRegistry()
    reference = entries.add("db", Login("u", "p"))
    assert (type(reference), reference.key) == (AuthEntryReference, "db")
    assert entries.get(Login, reference) == entries.get(Login, "db") == Login("u", "p")
    entries.add("dict", {"user": "u", "password": "p"})
    assert entries.get(Login, "dict") == Login("u", "p")
    assert "db" in entries
    later: AuthEntryReference[str] = coco.ref_auth_entry("auth-test-later")
    with pytest.raises(AuthEntryError, match=r"'auth-test-later' is not registered.*coco\.add_auth_entry"):
        get_auth_entry(str, later)
    coco.add_auth_entry("auth-test-later", "x")
    assert get_auth_entry(str, later) == "x"


def test_a_missing_entry_names_what_needs_it() -> None:
    with pytest.raises(AuthEntryError, match=r"'nobody' is not registered \(wanted by table t\)"):
        AuthRegistry().get(str, "nobody", wanted_by="table t")


def test_adding_twice() -> None:
    entries = AuthRegistry()
    entries.add("k", "one")
    entries.add("k", "one")
    with pytest.raises(AuthEntryError, match="registered already with another value") as caught:
        entries.add("k", "hunter2")
    assert "hunter2" not in str(caught.value)
    version = entries.version
    entries.add("k", "two", replace=True)
    assert entries.version > version
    assert entries.get(str, "k") == "two"
    for wrong in ("", "__transient_x", 3):
        with pytest.raises(AuthEntryError):
            entries.add(wrong, "x")  # type: ignore[arg-type]


def test_transient_entries() -> None:
    """Unguessable keys that reach nothing stored."""
    one, two = coco.add_transient_auth_entry("x"), coco.add_transient_auth_entry("x")
    assert one.key != two.key
    assert len(one.key) > 32
    assert get_auth_entry(str, one) == "x"
    assert issubclass(AuthEntryReference, TransientAuthEntryReference)
    assert dump_engine_object(one) == dump_engine_object(two)
    gone: TransientAuthEntryReference[str] = TransientAuthEntryReference("__transient_0")
    with pytest.raises(AuthEntryError, match="belongs to the process that made it") as caught:
        get_auth_entry(str, gone)
    assert "__transient_0" not in str(caught.value)


def test_secrets_appear_nowhere() -> None:
    """Not in errors, their causes, reprs or dumps."""
    entries = AuthRegistry()
    reference = entries.add("k", {"user": "u", "password": ["hunter2"]})
    with pytest.raises(AuthEntryError, match="expected Login, got dict") as caught:
        entries.get(Login, reference)
    shown = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in shown + repr(entries) + repr(reference) + str(dump_engine_object(reference))


def test_a_child_process_can_take_them_over() -> None:
    parent, child = AuthRegistry(), AuthRegistry()
    parent.add("k", "x")
    child.restore(parent.snapshot())
    assert child.get(str, "k") == "x"
    parent.remove(["k", "unknown"])
    assert "k" not in parent


def test_concurrent_use() -> None:
    entries = AuthRegistry()

    def work(number: int) -> None:
        for index in range(200):
            entries.add(f"{number}-{index}", index)
            assert entries.get(int, f"{number}-{index}") == index

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(entries.snapshot()) == 800


def test_a_flow_shows_no_secret(tmp_path: Path) -> None:
    """Neither its definition nor its repr."""
    reference = coco.add_auth_entry("auth-test-show", "hunter2", replace=True)

    class Guarded(op.SourceSpec):
        login: AuthEntryReference[str]

    spec = Guarded(reference)
    assert "hunter2" not in repr(spec) + str(dump_engine_object(spec))
    assert "auth-test-show" in repr(spec)
