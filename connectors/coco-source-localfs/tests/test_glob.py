"""The pattern language, against examples and against a matcher that shares no code with it."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

from coco_source_localfs.glob import MAX_EXPANSIONS, PatternError, check_patterns, compile_filter

MATCHES = [
    ("*.md", "a.md", True),
    ("*.md", "docs/a/b.md", True),
    ("*.md", "a.md.txt", False),
    ("*.md", "a.MD", False),
    ("**/*.md", "a.md", True),
    ("**/*.md", "x/y/a.md", True),
    ("docs/**/x.md", "docs/x.md", True),
    ("docs/**/x.md", "docs/a/b/x.md", True),
    ("docs/**/x.md", "docsx.md", False),
    ("docs/**/x.md", "docs/yx.md", False),
    ("docs/**", "docs/a/b", True),
    ("docs/**", "docs", False),
    ("a**b", "a/x/b", True),
    ("?.md", "a.md", True),
    ("?.md", "ab.md", False),
    ("a?b", "a/b", False),
    ("[ab].md", "b.md", True),
    ("[!ab].md", "b.md", False),
    ("[!ab].md", "c.md", True),
    ("a[!x]b", "a/b", False),
    ("[a-c]1", "b1", True),
    ("[a-c]1", "d1", False),
    ("[]x]", "]", True),
    ("[!]x]", "]", False),
    ("[a-]", "-", True),
    ("[\\]]", "]", True),
    ("*.{md,mdx}", "d/a.mdx", True),
    ("*.{md,mdx}", "d/a.rst", False),
    ("{src,docs/{en,de}}/*.md", "docs/de/a.md", True),
    ("{src,docs/{en,de}}/*.md", "docs/fr/a.md", False),
    ("x{,y}", "x", True),
    ("{**/,y}z", "q/z", True),
    ("[{,}]", ",", True),
    ("./a.md", "a.md", True),
    ("\\*", "*", True),
    ("\\*", "a", False),
    ("a\\{b", "a{b", True),
    ("a.c", "abc", False),
    ("*", "with\nnewline/x", True),
    ("naïve*", "naïve/é.md", True),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), MATCHES)
def test_pattern(pattern: str, path: str, expected: bool) -> None:
    assert bool(compile_filter([pattern], None).included(path)) is expected
    assert compile_filter(None, [pattern]).admits(path) is not expected or _above(pattern, path)


def _above(pattern: str, path: str) -> bool:
    return any(
        compile_filter([pattern], None).included(path[: match.start()]) for match in re.finditer("/", path)
    )


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "empty"),
        ("[ab", "'[' is never closed"),
        ("[]", "'[' is never closed"),
        ("{a,b", "'{' is never closed"),
        ("a}", "'}' without '{'"),
        ("a\\", "nothing to escape"),
        ("[z-a]", "runs backwards"),
        ("{a,b,c,d}" * 6, f"more than {MAX_EXPANSIONS}"),
        ("{" + ",".join(map(str, range(MAX_EXPANSIONS + 1))) + "}", f"more than {MAX_EXPANSIONS}"),
    ],
)
def test_invalid_pattern_names_field_and_pattern(pattern: str, reason: str) -> None:
    with pytest.raises(PatternError) as caught:
        check_patterns(["ok", pattern], "excluded_patterns")
    assert "excluded_patterns" in str(caught.value)
    assert repr(pattern) in str(caught.value)
    assert reason in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_included_none_is_everything_and_empty_is_nothing() -> None:
    assert compile_filter(None, None).admits("any/thing")
    assert not compile_filter([], None).admits("any/thing")


def test_exclude_wins() -> None:
    paths = compile_filter(["*.md"], ["draft*"])
    assert paths.admits("a.md")
    assert not paths.admits("draft.md")


@pytest.mark.parametrize("pattern", ["tmp", "tmp/", "tmp/**", "tmp/*", "t?p", "{tmp,x}"])
def test_excluded_directory_is_pruned_with_all_below(pattern: str) -> None:
    paths = compile_filter(None, [pattern])
    assert paths.pruned("tmp")
    assert not paths.pruned("src")
    assert not paths.admits("tmp/deep/a.md")
    assert paths.admits("tmpx/a.md")


def test_trailing_slash_names_directories_only() -> None:
    paths = compile_filter(None, ["build/"])
    assert paths.pruned("build")
    assert paths.admits("build")


def test_double_star_directory_names_any_depth() -> None:
    paths = compile_filter(None, ["**/node_modules", ".*"])
    assert paths.pruned("node_modules")
    assert paths.pruned("a/b/node_modules")
    assert paths.pruned(".git")
    assert not paths.pruned("a/.git")
    assert not paths.admits("a/node_modules/x/y.js")


def test_directories_outside_every_include_prefix_are_not_walked() -> None:
    paths = compile_filter(["docs/en/*.md", "./src/**"], None)
    assert paths.pruned("vendor")
    assert paths.pruned("docs/de")
    assert not paths.pruned("docs")
    assert not paths.pruned("docs/en")
    assert not paths.pruned("docs/en/deep")
    assert not paths.pruned("src")


@pytest.mark.parametrize(
    "pattern",
    [
        "*a" * 12 + "*b",
        "**/a" * 12 + "*b",
        "*?" * 12 + "*b",
        "*[ab]" * 12 + "*c",
        "*a**/a" * 8 + "*b",
        "*/*" * 12 + "b",
    ],
)
def test_no_pattern_takes_more_than_linear_time(pattern: str) -> None:
    """With backtracking, each of these would take longer than a lifetime on such a path."""
    path = "a/aa" * 1_000
    assert not compile_filter([pattern], None).included(path)
    assert compile_filter(None, [pattern]).admits(path)


# -- against a matcher written in another way: recursion over both strings, braces by branching -----------


def naive(pattern: str, path: str) -> bool:
    return any(_naive(plain.removeprefix("./"), path) for plain in _naive_expand(pattern))


def _naive_expand(pattern: str) -> Iterator[str]:
    opening = pattern.find("{")
    if opening < 0:
        yield pattern
        return
    closing = pattern.index("}", opening)
    for choice in pattern[opening + 1 : closing].split(","):
        yield from _naive_expand(pattern[:opening] + choice + pattern[closing + 1 :])


def _naive(pattern: str, path: str, at_start: bool = True) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "*":
        rest = pattern.lstrip("*")
        if len(pattern) - len(rest) > 1 and rest.startswith("/"):
            starts = [0] if at_start else []
            starts += [i + 1 for i, char in enumerate(path) if char == "/"]
            return any(_naive(rest[1:], path[start:], True) for start in starts)
        return any(
            _naive(rest, path[start:], path[start - 1 : start] == "/" if start else at_start)
            for start in range(len(path) + 1)
        )
    if not path:
        return False
    if pattern[0] == "[":
        end = pattern.index("]", 2)
        fits = path[0] != "/" and fnmatch.fnmatchcase(path[0], pattern[: end + 1])
        return fits and _naive(pattern[end + 1 :], path[1:], False)
    if pattern[0] == "?":
        return path[0] != "/" and _naive(pattern[1:], path[1:], False)
    return path[0] == pattern[0] and _naive(pattern[1:], path[1:], path[0] == "/")


ITEMS = st.sampled_from(
    ["a", "b", ".", "/", "*", "**", "**/", "?", "[ab]", "[!a]", "[a-b]", "{a,b}", "{a/,*}", "{**/,}", "./"]
)
PATTERNS = st.lists(ITEMS, min_size=1, max_size=6).map("".join)
PATHS = st.lists(st.text("ab.", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)


@settings(max_examples=examples(1500))
@given(st.lists(PATTERNS, max_size=3), PATHS)
def test_include_agrees_with_naive_matcher(patterns: list[str], path: str) -> None:
    assert bool(compile_filter(patterns, None).included(path)) == any(
        naive(pattern, path) for pattern in patterns
    )


@settings(max_examples=examples(1500))
@given(st.none() | st.lists(PATTERNS, max_size=2), st.lists(PATTERNS, max_size=2), PATHS)
def test_walk_rules_and_admits_agree(included: list[str] | None, excluded: list[str], path: str) -> None:
    paths = compile_filter(included, excluded)
    above = [path[:i] for i, char in enumerate(path) if char == "/"]
    walked = (
        not any(paths.pruned(directory) for directory in above)
        and not paths.excluded(path)
        and bool(paths.included(path))
    )
    assert paths.admits(path) == walked
    by_hand = (included is None or any(naive(pattern, path) for pattern in included)) and not any(
        naive(pattern, place)
        for pattern in excluded
        for place in [path, *above, *(directory + "/" for directory in above)]
    )
    assert walked == by_hand
