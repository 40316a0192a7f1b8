"""What a function depends on counts for its identity (docs/decisions/0003)."""

from textwrap import dedent
from typing import Any

import pytest

CASES = {
    "indirect helper": (
        """
        from coco import op

        def deep(text): return text.strip()
        def middle(text): return deep(text)

        @op.function()
        def f(text: str) -> str:
            return middle(text)
        """,
        ("text.strip()", "text.rstrip()"),
    ),
    "keyword default": (
        """
        from coco import op

        @op.function()
        def f(text: str, *, mark: str = "a") -> str:
            return text + mark
        """,
        ('"a"', '"b"'),
    ),
    "default from a constant": (
        """
        from coco import op
        MARK = "a"

        @op.function()
        def f(text: str, mark: str = MARK) -> str:
            return text + mark
        """,
        ('"a"', '"b"'),
    ),
    "closure value": (
        """
        from coco import op

        def make(mark):
            @op.function()
            def f(text: str) -> str:
                return text + mark
            return f

        f = make("a")
        """,
        ('make("a")', 'make("b")'),
    ),
    "closure function": (
        """
        from coco import op

        def make(clean):
            @op.function()
            def f(text: str) -> str:
                return clean(text)
            return f

        f = make(lambda text: text.strip())
        """,
        ("text.strip()", "text.lower()"),
    ),
    "method of a class": (
        """
        from coco import op

        class Cleaner:
            def clean(self, text): return self.cut(text)
            def cut(self, text): return text[:3]

        @op.function()
        def f(text: str) -> str:
            return Cleaner().clean(text)
        """,
        ("text[:3]", "text[:4]"),
    ),
    "base class": (
        """
        from coco import op

        class Base:
            def clean(self, text): return text[:3]

        class Cleaner(Base):
            pass

        @op.function()
        def f(text: str) -> str:
            return Cleaner().clean(text)
        """,
        ("text[:3]", "text[:4]"),
    ),
    "static method and property": (
        """
        from coco import op

        class Cleaner:
            @property
            def size(self): return 3
            @staticmethod
            def clean(text): return text[:Cleaner().size]

        @op.function()
        def f(text: str) -> str:
            return Cleaner.clean(text)
        """,
        ("return 3", "return 4"),
    ),
    "class attribute": (
        """
        from coco import op

        class Cleaner:
            size = 3
            def clean(self, text): return text[:self.size]

        @op.function()
        def f(text: str) -> str:
            return Cleaner().clean(text)
        """,
        ("size = 3", "size = 4"),
    ),
    "method of a shared object": (
        """
        from coco import op

        class Cleaner:
            def remove(self, text): return text[:3]

        CLEANER = Cleaner()

        @op.function()
        def f(text: str) -> str:
            return CLEANER.remove(text)
        """,
        ("text[:3]", "text[:4]"),
    ),
    "attribute of a shared object": (
        """
        from coco import op

        class Cleaner:
            def __init__(self, words): self.words = words
            def clean(self, text): return " ".join(w for w in text.split() if w not in self.words)

        CLEANER = Cleaner(("a", "the"))

        @op.function()
        def f(text: str) -> str:
            return CLEANER.clean(text)
        """,
        ('"the"', '"an"'),
    ),
    "list in a shared object": (
        """
        from coco import op

        class Cleaner:
            def __init__(self, words): self.words = words
            def clean(self, text): return " ".join(w for w in text.split() if w not in self.words)

        CLEANER = Cleaner(["a", "the"])

        @op.function()
        def f(text: str) -> str:
            return CLEANER.clean(text)
        """,
        ('"the"', '"an"'),
    ),
    "slots of a shared object": (
        """
        from coco import op

        class Cleaner:
            __slots__ = ("size",)
            def __init__(self, size): self.size = size
            def clean(self, text): return text[:self.size]

        CLEANER = Cleaner(3)

        @op.function()
        def f(text: str) -> str:
            return CLEANER.clean(text)
        """,
        ("Cleaner(3)", "Cleaner(4)"),
    ),
    "function in a table": (
        """
        from coco import op

        def upper(text): return text.upper()
        TABLE = {"u": [upper]}

        @op.function()
        def f(text: str) -> str:
            return TABLE["u"][0](text)
        """,
        ("text.upper()", "text.title()"),
    ),
    "method of an enum member": (
        """
        import enum
        from coco import op

        class Mode(enum.Enum):
            SHORT = "short"
            def cut(self, text): return text[:3]

        MODE = Mode.SHORT

        @op.function()
        def f(text: str) -> str:
            return MODE.cut(text)
        """,
        ("text[:3]", "text[:4]"),
    ),
    "dataclass constant": (
        """
        from dataclasses import dataclass
        from coco import op

        @dataclass(frozen=True)
        class Options:
            size: int = 3

        OPTIONS = Options()

        @op.function()
        def f(text: str) -> str:
            return text[:OPTIONS.size]
        """,
        ("size: int = 3", "size: int = 4"),
    ),
    "regular expression": (
        """
        import re
        from coco import op
        PATTERN = re.compile("a+")

        @op.function()
        def f(text: str) -> str:
            return PATTERN.sub("", text)
        """,
        ('"a+"', '"a*"'),
    ),
    "decorated with functools.wraps": (
        """
        import functools
        from coco import op

        def twice(function):
            @functools.wraps(function)
            def wrapper(text: str) -> str:
                return function(function(text))
            return wrapper

        @op.function()
        @twice
        def f(text: str) -> str:
            return text.strip()
        """,
        ("text.strip()", "text.lower()"),
    ),
    "the decorator itself": (
        """
        import functools
        from coco import op

        def twice(function):
            @functools.wraps(function)
            def wrapper(text: str) -> str:
                return function(function(text))
            return wrapper

        @op.function()
        @twice
        def f(text: str) -> str:
            return text.strip()
        """,
        ("function(function(text))", "function(text)"),
    ),
    "helper behind lru_cache": (
        """
        import functools
        from coco import op

        @functools.lru_cache
        def helper(text): return text.strip()

        @op.function()
        def f(text: str) -> str:
            return helper(text)
        """,
        ("text.strip()", "text.lower()"),
    ),
    "argument of a partial": (
        """
        import functools
        from coco import op

        def cut(size, text): return text[:size]
        short = functools.partial(cut, 3)

        @op.function()
        def f(text: str) -> str:
            return short(text)
        """,
        ("partial(cut, 3)", "partial(cut, 4)"),
    ),
    "function behind a partial": (
        """
        import functools
        from coco import op

        def cut(size, text): return text[:size]
        short = functools.partial(cut, 3)

        @op.function()
        def f(text: str) -> str:
            return short(text)
        """,
        ("text[:size]", "text[size:]"),
    ),
    "one of two lambdas on a line": (
        """
        from coco import op
        first, second = (lambda text: text[:1]), (lambda text: text[:2])

        @op.function()
        def f(text: str) -> str:
            return second(text)
        """,
        ("text[:2]", "text[:3]"),
    ),
    "recursion": (
        """
        from coco import op

        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)

        @op.function()
        def f(text: str) -> bool:
            return f(text[1:]) if text else even(len(text))
        """,
        ("odd(n - 1)", "odd(n - 3)"),
    ),
    "import inside the function": (
        """
        from coco import op

        @op.function()
        def f(text: str) -> str:
            import json
            return json.dumps(text)
        """,
        ("json.dumps(text)", "json.dumps(text, indent=1)"),
    ),
    "nested function": (
        """
        from coco import op

        def helper(text): return text.strip()

        @op.function()
        def f(text: str) -> str:
            def inner():
                return [helper(part) for part in text.split()]
            return "".join(inner())
        """,
        ("text.strip()", "text.lower()"),
    ),
    "decorated helper": (
        """
        from coco import op

        @op.function()
        def helper(text: str) -> str: return text.strip()

        @op.function()
        def f(text: str) -> str:
            return helper(text)
        """,
        ("text.strip()", "text.lower()"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_dependency_of_a_function_counts(project: Any, name: str) -> None:
    """Editing it changes identity; a comment beside it and loading again do not."""
    text, (old, new) = CASES[name]
    edited = text.replace(old, new)
    assert edited != text
    before = project.identity(flowcode=text)
    assert project.identity(flowcode=dedent(text) + "\n# a comment\n") == before
    assert project.identity(flowcode=edited).code != before.code
