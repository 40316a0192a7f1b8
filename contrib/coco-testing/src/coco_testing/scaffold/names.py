"""The names of a plugin's package, derived from one or more words."""

from __future__ import annotations

import difflib
import keyword
import re
from dataclasses import dataclass

KINDS = ("target", "source", "function", "store", "runner")

_SLUG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_LENGTH = 24
BUILT_IN_STORES = ("memory", "sqlite")
BUILT_IN_RUNNERS = ("process",)


class BadNameError(ValueError):
    """An invalid package name. The message gives the reason and a valid name."""


@dataclass(frozen=True, slots=True)
class PluginNames:
    """All names derived from ``coco new target json-lines``."""

    kind: str
    slug: str

    @property
    def distribution(self) -> str:
        """``coco-target-json-lines``."""
        return f"coco-{self.kind}-{self.slug}"

    @property
    def entry(self) -> str:
        """``target-json-lines``: the entry point."""
        return f"{self.kind}-{self.slug}"

    @property
    def package(self) -> str:
        """``coco_target_json_lines``: the name to import."""
        return self.distribution.replace("-", "_")

    @property
    def spec(self) -> str:
        """``JsonLines``: the class that flows use."""
        return "".join(part.capitalize() for part in self.slug.split("-"))

    @property
    def title(self) -> str:
        """``Json lines``: the name in sentences."""
        return self.slug.replace("-", " ").capitalize()


def plugin_names(kind: str, text: str) -> PluginNames:
    """The names for the text that a user typed: ``json-lines`` or ``coco-target-json-lines``.

    Raises ``BadNameError``.
    """
    slug = text.removeprefix("coco-")
    for other in KINDS:
        rest = slug.removeprefix(f"{other}-")
        if rest != slug:
            if other != kind:
                raise BadNameError(f"{text!r} names a {other}: run `coco new {other} {rest}`")
            slug = rest
            break
    if not _SLUG.fullmatch(slug):
        raise BadNameError(
            f"expected lower case letters and digits, in words joined by single hyphens, got {text!r}"
            f"{_suggestion(slug)}"
        )
    if len(slug) > MAX_LENGTH:
        raise BadNameError(f"{slug!r} has {len(slug)} characters; at most {MAX_LENGTH} are allowed")
    names = PluginNames(kind, slug)
    if keyword.iskeyword(names.spec):
        raise BadNameError(f"{slug!r} would make a class {names.spec}, which is a keyword of Python")
    if kind == "store" and slug in BUILT_IN_STORES:
        raise BadNameError(f"{slug}:// is one of coco's own stores; choose another name")
    if kind == "runner" and slug in BUILT_IN_RUNNERS:
        raise BadNameError(f"the runner {slug!r} is coco's own; choose another name")
    return names


def _suggestion(text: str) -> str:
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", text)
    slug = "-".join(word.lower() for word in words)[:MAX_LENGTH].strip("-").lstrip("0123456789-")
    close = bool(slug) and bool(_SLUG.fullmatch(slug))
    similar = close and difflib.SequenceMatcher(None, slug, text.lower()).ratio() > 0.5
    return f"; did you mean {slug!r}?" if similar else ""
