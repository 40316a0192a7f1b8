"""Patterns of users: what is refused, what is guaranteed while they run."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

from coco_function_text.ambiguity import examine
from coco_function_text.levels import SeparatorLevel
from coco_function_text.separators import (
    SeparatorTimeoutError,
    compile_alternatives,
    compile_separator,
)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\n(\s*\n)+", r"[\.!\?]\s+", r"\n", r"\s+", r"\n#+\s", r"\n\n+", r"\. ", r"(a+)+", r"([ \t]*\n)+x",
        r"(?:[^\n]*\n)+END", r"(?:.+\n)+END", r"(\w+\s)+:", r"(a|b)*c", r"(?i)chapter \d+", r"(?:-{3,}\n)+x",
        r"(?:\n(\s*\n)+)?", r"(a+b)*c", r"(ab|cd){1,3}x", r"(?:\d{1,9}[.)] )+x",
    ],
)  # fmt: skip
def test_harmless_patterns_are_accepted(pattern: str) -> None:
    assert examine(pattern).problem is None
    assert compile_separator(pattern).source == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"(a+)+b", r"(a*)*b", r"(\s*\n)+x", r"(\w+\s?)+:", r"(x+x+)+y", r"(a?a?)*b", r"(.*)*x"),
        *(r"(a{1,30}){1,30}b", r"(?:a+b?)*c", r"^(([a-z])+.)+[A-Z]", r"(\d+|\w+)*!", r"(a|ab|b)*c"),
        *(r"(?s)(.+\n)+x", r"([a-z]+|\w)+\d!", r"((a+)+b)*", r"(a*){5,}b", r"(?i)(a|Ab?)*c"),
    ],
)
def test_exponential_patterns_are_refused_with_the_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match="more than one way") as caught:
        compile_separator(pattern)
    assert repr(pattern) in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "does not compile"),
        (r"\p{L}+", r"use \\w"),
        ("(?=a)", "look-around"),
        ("(?<!a)b", "look-around"),
        (r"(a)\1", "a back-reference"),
        ("(a)?(?(1)b|c)", "a conditional group"),
        ("(?>a+)b", "an atomic group"),
        ("a++b", "a possessive quantifier"),
        ("a{99999999999}", "does not compile"),
    ],
)
def test_other_refusals(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        compile_separator(pattern)
    assert repr(pattern) in str(caught.value)


def test_not_a_string() -> None:
    with pytest.raises(ValueError, match="must be a string, got int"):
        compile_separator(5)


@dataclass(frozen=True)
class Node:
    """A pattern as a tree: written out for the check, and run by a plain backtracking matcher that counts."""

    kind: str  # "char", "then", "or", "repeat"
    chars: str = ""
    parts: tuple["Node", ...] = ()
    least: int = 0
    most: int | None = None

    def __str__(self) -> str:
        if self.kind == "char":
            return f"([{self.chars}])"  # a group, or the parser would make one set of an alternative
        if self.kind == "repeat":
            return f"(?:{self.parts[0]}){{{self.least},{'' if self.most is None else self.most}}}"
        return "(?:" + ("" if self.kind == "then" else "|").join(map(str, self.parts)) + ")"


def tries(tree: Node, text: str, limit: int) -> int:
    """How many characters and alternatives a backtracking engine looks at to find that nothing matches."""
    count = 0

    def run(node: Node, at: int, then: Callable[[int], bool]) -> bool:
        nonlocal count
        count += 1
        if count > limit:
            raise OverflowError(f"{tree} takes more than {limit} steps")
        if node.kind == "char":
            return at < len(text) and text[at] in node.chars and then(at + 1)
        if node.kind == "then":
            first, second = node.parts
            return run(first, at, lambda end: run(second, end, then))
        if node.kind == "or":
            return any(run(part, at, then) for part in node.parts)

        def again(done: int, here: int) -> bool:
            def more(end: int) -> bool:
                return (end > here or done < node.least) and again(done + 1, end)

            wanted = node.most is None or done < node.most
            return (wanted and run(node.parts[0], here, more)) or (done >= node.least and then(here))

        return again(0, at)

    run(tree, 0, lambda end: False)
    return count


BOUNDS = st.sampled_from([(0, None), (1, None), (0, 1), (1, 3), (0, 9)])
TREES = st.recursive(
    st.sampled_from(["a", "b", "ab"]).map(lambda chars: Node("char", chars)),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda parts: Node("then", parts=parts)),
        st.tuples(inner, inner).map(lambda parts: Node("or", parts=parts)),
        st.tuples(inner, BOUNDS).map(lambda pair: Node("repeat", "", (pair[0],), *pair[1])),
    ),
    max_leaves=5,
)


@settings(max_examples=examples(150))
@given(TREES, st.sampled_from(["a", "b", "ab", "aab"]))
@example(Node("repeat", "", (Node("repeat", "", (Node("char", "a"),), 1),), 1), "a")
def test_what_is_accepted_takes_polynomial_time_to_fail(tree: Node, unit: str) -> None:
    if examine(f"{tree}!").problem is not None:
        return
    short = tries(tree, (unit * 12)[:12], 20_000)
    tries(
        tree, (unit * 24)[:24], 200 * short
    )  # five loops in a row are allowed to cost 2 ** 5 = 32 times as much


def spans(pattern: str, text: str) -> list[tuple[int, int]]:
    return list(compile_separator(pattern).matches(text))


@given(
    st.sampled_from(
        [r"\s+", r"\n(\s*\n)+", r"b", r"a*", r"[ab]+\n?", r"^a", r"a$", r"(?m)^b", r"\bb", r"\n#+ "]
    ),
    st.text(st.sampled_from("ab \n#"), max_size=80),
)
def test_matches_are_those_of_re_without_the_empty_ones(pattern: str, text: str) -> None:
    assert spans(pattern, text) == [m.span() for m in re.finditer(pattern, text) if m.end() > m.start()]


@pytest.mark.parametrize("length", [1023, 1024, 1025, 5000])
def test_matches_across_the_windows_are_whole(length: int) -> None:
    line = "-" * length
    text = f"x{line}y" * 3
    assert [end - start for start, end in spans("-+", text)] == [length] * 3
    assert [end - start for start, end in spans("-+y", text)] == [length + 1] * 3
    assert spans("z+", text) == []


def test_a_slow_pattern_is_stopped() -> None:
    times = iter(range(0, 10_000, 3))
    pattern = compile_separator(r"\s*x")
    with pytest.raises(
        SeparatorTimeoutError, match=r"'\\\\s\*x' takes too long .* stopped after 3.0 s at character 0"
    ):
        list(pattern.matches(" " * 10_000, clock=lambda: float(next(times))))


def test_time_is_no_matter_for_a_pattern_that_goes_on_finding() -> None:
    times = iter(i * 0.002 for i in range(10_000))
    text = ("word " * 200 + "\n") * 20
    assert len(list(compile_separator(r"\s+").matches(text, clock=lambda: next(times)))) == 20 * 200


def test_alternatives_keep_their_flags_and_their_order() -> None:
    both = compile_alternatives((r"(?i)x", "y", r"(?x) z # comment"))
    assert list(both.matches("aXbyYcz")) == [(1, 2), (3, 4), (6, 7)]
    assert list(compile_alternatives(("ab", "a")).matches("abaXab")) == [(0, 2), (2, 3), (4, 6)]
    assert list(compile_alternatives(("a", "ab")).matches("ab")) == [(0, 1)]


def test_alternatives_that_share_a_group_name() -> None:
    with pytest.raises(ValueError, match="do not work together"):
        compile_alternatives(("(?P<a>x)", "(?P<a>y)"))


@pytest.mark.parametrize(
    ("pattern", "text", "cuts", "strong"),
    [
        (r"\n# ", "a\n# b\n# c", [1, 5], True),
        (r"\n\n", "a\n\nb", [3], False),
        (r"\. ", "a. b. c", [3, 6], False),
        (r"\n---\n", "a\n---\nb", [1], True),
        (r"(?:\n# |\n## )", "a\n## b", [1], True),
        (r"(?:\n# |;)", "a;b\n# c", [2, 3], False),
        (r"\s*\n\d+\. ", "a\n1. b", [1], True),
        (r"a*", "aab", [2], False),
    ],
)
def test_where_a_separator_cuts(pattern: str, text: str, cuts: list[int], strong: bool) -> None:
    level = SeparatorLevel(compile_separator(pattern))
    assert level.cuts(text, 0, len(text)) == cuts
    assert level.strong is strong
