"""What comes from outside cannot steer a terminal, and one record is one line."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coco.printable import printable, printable_lines

BIDI = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünicode, 漢字, 👩\u200d👩\u200d👧, e\u0301, \u00a0", None),
        (r"C:\new\x1b", None),
        ("\x1b[2Jevil", r"\x1b[2Jevil"),
        ("two\nlines\r\n\tmore", r"two\nlines\r\n\tmore"),
        ("\x9b31m \x85 \x7f", r"\x9b31m \x85 \x7f"),
        ("a\u2028b\u202etxt.exe", r"a\u2028b\u202etxt.exe"),
        ("caf\udce9 \ufeff", r"caf\udce9 \ufeff"),
    ],
)
def test_one_line(text: str, shown: str | None) -> None:
    assert printable(text) == (text if shown is None else shown)


def test_several_lines_keep_their_ends() -> None:
    assert printable_lines("one\r\ntwo\n\tthree\rfour\x07") == "one\ntwo\n\tthree\\rfour\\x07"


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_nothing_that_steers_is_left(text: str) -> None:
    for shown in (printable(text), printable_lines(text).replace("\n", "").replace("\t", "")):
        left = {char for char in shown if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")}
        assert not left and not BIDI & set(shown)
        shown.encode()
    assert len(printable(text).splitlines()) <= 1
