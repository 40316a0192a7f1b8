"""One file read: text, bytes, and the many ways in which a file is not there."""

from __future__ import annotations

import codecs
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco.errors import SourceReadError
from coco.op import NON_EXISTENCE, SourceReadOptions
from coco_source_localfs.read import decode_text, read_file
from coco_source_localfs.rows import BinaryFile, FileKey, TextFile
from coco_source_localfs.spec import LocalFile, LocalFileConnector

WITH_VALUE = SourceReadOptions(include_ordinal=True, include_value=True)


def connector(root: Path, **fields: Any) -> LocalFileConnector:
    return LocalFileConnector.create(LocalFile(path=str(root), **fields))


def value(root: Path, name: str, **fields: Any) -> Any:
    return connector(root, **fields).get_value(FileKey(name), WITH_VALUE).value


@pytest.mark.parametrize(
    ("data", "text", "clean"),
    [
        (b"", "", True),
        ("naïve \U0001f600".encode(), "naïve \U0001f600", True),
        (b"\xef\xbb\xbfmark", "mark", True),
        (b"\xff\xfe" + "é\U0001f600".encode("utf-16-le"), "é\U0001f600", True),
        (b"\xfe\xff" + "é\U0001f600".encode("utf-16-be"), "é\U0001f600", True),
        (b"a\xffb", "a\ufffdb", False),
        (b"cut \xe2\x82", "cut \ufffd", False),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd", False),
        (b"\xff\xfea\x00b", "a\ufffd", False),
        (b"a\r\nb\x00c", "a\r\nb\x00c", True),
        (b"inner \xef\xbb\xbf mark", "inner \ufeff mark", True),
    ],
)
def test_decoding(data: bytes, text: str, clean: bool) -> None:
    assert decode_text(data) == (text, clean)


@given(st.binary(max_size=40))
def test_decoding_never_fails_and_gives_storable_text(data: bytes) -> None:
    text, _ = decode_text(data)
    text.encode("utf-8")


def test_text_and_binary(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfh\xc3\xa9")
    assert value(tmp_path, "a") == TextFile("hé")
    assert value(tmp_path, "a", binary=True) == BinaryFile(b"\xef\xbb\xbfh\xc3\xa9")


def test_ordinal_and_size_belong_to_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("four")
    os.utime(tmp_path / "a", ns=(0, 5_000_007))
    data = connector(tmp_path).get_value(FileKey("a"), WITH_VALUE)
    assert (data.ordinal, data.size, data.content_version_fp) == (5_000, 4, None)


def test_value_only_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("four")
    data = connector(tmp_path).get_value(FileKey("a"), SourceReadOptions(include_ordinal=True))
    assert data.value is None and data.size == 4 and isinstance(data.ordinal, int)
    assert connector(tmp_path).get_value(FileKey("b"), SourceReadOptions()).value is NON_EXISTENCE


def test_empty_file_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert value(tmp_path, "empty") == TextFile("")


def test_bad_bytes_warn_once_per_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"\xff")
    made = connector(tmp_path)
    with caplog.at_level(logging.WARNING, "coco.source.localfs"):
        for name in ("a", "a", "b"):
            assert made.get_value(FileKey(name), WITH_VALUE).value == TextFile("\ufffd")
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert str(tmp_path / "a") in messages[0] and str(tmp_path / "b") in messages[1]


def test_a_path_that_is_no_file_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "broken").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing", "dir", "file/below", "broken", "pipe"):
        assert value(tmp_path, name) is NON_EXISTENCE, name


def test_a_socket_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.chdir(tmp_path)  # socket addresses are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert value(tmp_path, "socket") is NON_EXISTENCE


def test_size_limit_is_inclusive(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("four")
    assert value(tmp_path, "a", max_file_size=4) == TextFile("four")
    assert value(tmp_path, "a", max_file_size=3) is NON_EXISTENCE
    (tmp_path / "empty").touch()
    assert value(tmp_path, "empty", max_file_size=0) == TextFile("")


def test_patterns_hold_for_reading_too(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    for name in ("a.md", "b.txt", "tmp/c.md"):
        (tmp_path / name).write_text("x")
    fields = {"included_patterns": ["*.md"], "excluded_patterns": ["tmp"]}
    assert value(tmp_path, "a.md", **fields) == TextFile("x")
    assert value(tmp_path, "b.txt", **fields) is NON_EXISTENCE
    assert value(tmp_path, "tmp/c.md", **fields) is NON_EXISTENCE


@pytest.mark.parametrize(
    "name",
    ["../secret", "a/../../secret", "..", "/etc/hostname", "", ".", "a//b", "a/", "./a", "a/./b", "a\0b"],
)
def test_keys_never_leave_the_root(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "root/a").mkdir(parents=True)
    with pytest.raises(SourceReadError, match="not the name of a file"):
        value(tmp_path / "root", name)


def test_dots_inside_names_are_fine(tmp_path: Path) -> None:
    for name in ("..a", "a..", "...", "a..b"):
        (tmp_path / name).write_text(name)
        assert value(tmp_path, name) == TextFile(name)


def deny(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Permissions do not bind a superuser, so the call that would fail is made to fail."""
    real = os.open

    def guarded(path: Any, *args: Any, **kwargs: Any) -> int:
        if str(path).endswith(name):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", guarded)


def test_unreadable_file_is_an_error_of_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").write_text("x")
    deny(monkeypatch, "locked")
    with pytest.raises(SourceReadError, match="Permission denied") as caught:
        value(tmp_path, "locked")
    assert str(tmp_path / "locked") in str(caught.value)


def test_many_reads_at_once_keep_order_and_fail_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "locked", "b"):
        (tmp_path / name).write_text(name)
    deny(monkeypatch, "locked")
    names = ["b", "locked", "missing", "a"]
    answers = connector(tmp_path).get_values([FileKey(name) for name in names], WITH_VALUE)
    assert isinstance(answers[1], SourceReadError)
    values = [None if isinstance(answer, SourceReadError) else answer.value for answer in answers]
    assert values == [TextFile("b"), None, NON_EXISTENCE, TextFile("a")]


class Grows:
    """``os.read`` that gives the file in small pieces, and a file that gets longer after it was looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path, more: bytes) -> None:
        real_read, real_fstat = os.read, os.fstat

        def fstat(descriptor: int) -> os.stat_result:
            found = real_fstat(descriptor)
            with path.open("ab") as file:
                file.write(more)
            return found

        monkeypatch.setattr(os, "fstat", fstat)
        monkeypatch.setattr(os, "read", lambda descriptor, count: real_read(descriptor, min(count, 3)))


def test_file_that_grows_while_read_keeps_the_older_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    Grows(monkeypatch, path, b"56")
    content = read_file(str(path), None)
    assert content is not None
    assert content.data == b"123456"
    assert content.size == 4  # differs from the next listing, so it is read again


def test_file_that_outgrows_the_limit_while_read_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    Grows(monkeypatch, path, b"56")
    assert read_file(str(path), 5) is None


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_a_byte_order_mark_tells_the_encoding(mark: bytes, encoding: str, text: str) -> None:
    if encoding == "utf-16-le" and text.startswith("\0"):
        text = f"x{text}"  # such a text has the mark of UTF-32
    assert decode_text(mark + text.encode(encoding)) == (text, True)


def test_a_text_with_the_mark_of_two_encodings_is_taken_for_the_one_that_decodes() -> None:
    data = codecs.BOM_UTF16_LE + "\0three".encode("utf-16-le")
    assert decode_text(data) == ("\0three", True)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (codecs.BOM_UTF32_LE + "ab".encode("utf-32-le") + b"c", "ab\ufffd"),
        (codecs.BOM_UTF16_BE + "a".encode("utf-16-be") + b"\xd8\x00", "a\ufffd"),
        (b"a\xed\xa0\x80b", "a\ufffd\ufffd\ufffdb"),  # half of a surrogate pair
        (b"+/v8-", "+/v8-"),  # UTF-7 has no mark that is not text too
    ],
)
def test_what_does_not_decode_is_replaced(data: bytes, text: str) -> None:
    assert decode_text(data)[0] == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_text_without_its_mark_is_warned_about_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, encoding: str
) -> None:
    (tmp_path / "a.txt").write_bytes("plain".encode(encoding))
    (tmp_path / "b.txt").write_bytes(b"plain")
    made = LocalFileConnector.create(LocalFile(path=str(tmp_path)))
    for name in ("a.txt", "b.txt", "a.txt"):
        made.get_value(FileKey(name), SourceReadOptions(include_value=True))
    [record] = caplog.records
    assert "a.txt contains U+0000" in record.getMessage() and "binary=True" in record.getMessage()
