"""Places of files: different keys have different ones on every file system, and none is outside of the folder."""

from __future__ import annotations

import datetime
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from files_test_support import field
from hypothesis import given
from hypothesis import strategies as st

from coco.typing import EnrichedValueType, FieldSchema, StructType
from coco_target_files.names import KeyNames

WORDS = "/ . .. a A e\u0301 \u00e9 \u00c9 ß ss ẞ İ i ı ſ s \u212a k ~ \\ con .md : \u00b5 \u03bc ﬁ fi - 1 nul.txt com¹ σ ς"
TRICKY = st.sampled_from([*WORDS.split(), "\u202e", " ", "\0", "\n", "x" * 130, "日" * 60])
TEXTS = st.one_of(st.lists(TRICKY, max_size=6).map("".join), st.text(max_size=40)).filter(
    lambda text: text.isascii() or not any(0xD800 <= ord(char) < 0xE000 for char in text)
)


def one(suffix: str = ".md", *, case_sensitive: bool = False) -> KeyNames:
    return KeyNames([field("id")], suffix, case_sensitive=case_sensitive)


def two() -> KeyNames:
    return KeyNames([field("a"), field("b")], ".md", case_sensitive=False)


def folded(path: str) -> set[str]:
    """A path as the most forgetful file systems see it."""
    forms = set()
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        text = unicodedata.normalize(form, path)
        forms |= {text.casefold(), text.upper(), text.lower(), text.upper().lower()}
    return forms


@given(TEXTS, TEXTS)
def test_different_keys_never_meet(left: str, right: str) -> None:
    if left != right:
        assert not folded(one().path_of((left,))) & folded(one().path_of((right,)))


@given(st.tuples(TEXTS, TEXTS), st.tuples(TEXTS, TEXTS))
def test_nor_do_keys_of_several_parts(left: tuple[str, str], right: tuple[str, str]) -> None:
    if left != right:
        assert not folded(two().path_of(left)) & folded(two().path_of(right))


@given(TEXTS, TEXTS)
def test_no_file_is_where_a_folder_must_be(left: str, right: str) -> None:
    file, other = one().path_of((left,)), one().path_of((right,))
    assert not other.startswith(file + "/")


@given(st.tuples(TEXTS, TEXTS), st.booleans())
def test_every_place_is_legal_everywhere(key: tuple[str, str], case_sensitive: bool) -> None:
    names = KeyNames([field("a"), field("b")], ".md", case_sensitive=case_sensitive)
    path = names.path_of(key)
    assert names.path_of(key) == path
    assert path.endswith(".md")
    assert len(path.encode()) <= 700
    assert not PurePosixPath(path).is_absolute() and not PureWindowsPath(path).drive
    assert PureWindowsPath(path).parts == tuple(path.split("/"))
    for part in path.split("/"):
        assert part and part not in (".", "..")
        assert part[0] not in " ." and part[-1] not in " ."
        assert len(part.encode()) <= 255
        assert not set(part) & set('<>:"/\\|?*') and part.isprintable()
        assert part.partition(".")[0].rstrip().casefold() not in {"con", "nul", "com¹"}


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("guide", "guide.md"),
        ("docs/a guide.txt", "docs/a guide.txt.md"),
        ("größe", "größe~"),  # ß and ss are one to some systems
        ("日本語", "日本語.md"),
        ("README", "README~"),
        ("../../etc/passwd", "_~"),
        ("/etc/passwd", "_~"),
        ("", "_~"),
        (".hidden", "hidden~"),
        ("con", "_con~"),
        ("con.tar.gz", "_con.tar.gz~"),
        ("a:b", "a_b~"),
        ("trailing.", "trailing~"),
        ("notes.md/a", "notes.md~"),
        ("notes.md", "notes.md.md"),
    ],
)
def test_names_stay_readable(key: str, path: str) -> None:
    found = one().path_of((key,))
    assert found.startswith(path) if path.endswith("~") else found == path


def test_the_place_of_a_key_is_the_same_in_every_release() -> None:
    assert one().path_of(("Docs/README.md",)) == "Docs~m26sco2tly/README.md~i5wrmudiwq.md"
    assert one(case_sensitive=True).path_of(("Docs/README.md",)) == "Docs/README.md.md"


def test_a_path_that_is_too_long_becomes_one_file() -> None:
    deep, deeper = ("a/" * 300 + "end",), ("a/" * 301 + "end",)
    found = {one().path_of(deep), one().path_of(deeper)}
    assert len(found) == 2
    assert all("/" not in path and path.startswith("end~~") for path in found)


def test_parts_are_levels() -> None:
    names = KeyNames([field("file"), field("at", "Range")], ".json", case_sensitive=False)
    assert names.path_of(("docs/guide.md", (0, 500))) == "docs/guide.md/0-500.json"
    point = StructType((field("x", "Int64"), field("y", "Int64")))
    nested = KeyNames([FieldSchema("at", EnrichedValueType(point)), field("z")], ".md", case_sensitive=False)
    assert nested.path_of(((1, -2), "a")) == "1/-2/a.md"


MOMENT = (1_709_168_523_000_004, 0)


@pytest.mark.parametrize(
    ("kind", "value", "name"),
    [
        ("Int64", -5, "-5"),
        ("Bool", True, "true"),
        ("Bytes", b"\x00\xff", "00ff"),
        ("Uuid", b"\0" * 15 + b"\7", "00000000-0000-0000-0000-000000000007"),
        ("Date", datetime.date(2024, 2, 29).toordinal(), "2024-02-29"),
        ("Time", 3_723_000_004, "01-02-03.000004"),
        ("LocalDateTime", MOMENT[0], "2024-02-29_01-02-03.000004"),
        ("OffsetDateTime", MOMENT, "2024-02-29_01-02-03.000004z"),
        ("TimeDelta", -7, "-7us"),
        ("Range", (3, 9), "3-9"),
    ],
)
def test_other_types_have_plain_names(kind: str, value: object, name: str) -> None:
    assert KeyNames([field("id", kind)], ".md", case_sensitive=False).path_of((value,)) == f"{name}.md"


GLANCE = st.text(st.sampled_from("acnoprux1 9.-_A#~:é"), max_size=12) | TEXTS


@given(GLANCE, st.booleans())
def test_what_is_safe_at_a_glance_is_safe(text: str, case_sensitive: bool) -> None:
    quick, slow = (one(case_sensitive=case_sensitive) for _ in range(2))
    slow._plain = lambda text: None
    assert quick.path_of((text,)) == slow.path_of((text,))
