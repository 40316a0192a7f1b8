"""SplitRecursively: documents and source files into chunks of limited size, at the best boundaries there
are.

What splits is imported when there is a text: a run that finds nothing changed starts without it.
"""

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coco import op
from coco_function_text.chunk_table import ChunkTable, chunk_table
from coco_function_text.sizes import sizes_of

if TYPE_CHECKING:
    from coco_function_text.levels import Level

LOG = logging.getLogger("coco.function.text")


@dataclass(frozen=True)
class CustomLanguageSpec:
    """A language of the user's own."""

    language_name: str
    """Name of the language; case does not matter. ``""``: the language of texts without one."""
    separators_regex: list[str]
    """One pattern per level, the strongest first. Below the last level a text is split as plain text. A separator belongs to
    the text. It stays with the text after it if it has something besides white space after a line break (``\\n# ``),
    otherwise with the text before it (``\\. ``). A carriage return that ends a line alone is a line feed for patterns.
    ``separators`` describes the syntax and its limits."""
    aliases: list[str] = field(default_factory=list)
    """More names."""

    def __post_init__(self) -> None:
        from coco_function_text.separators import check_patterns

        if not isinstance(self.language_name, str):
            raise ValueError(f"language_name must be a string, got {type(self.language_name).__name__}")
        for name in ("separators_regex", "aliases"):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Sequence):
                raise ValueError(f"custom language {self.language_name!r}: {name} must be a list of strings")
            object.__setattr__(self, name, list(value))
        if not all(isinstance(alias, str) for alias in self.aliases):
            raise ValueError(f"custom language {self.language_name!r}: aliases must be strings")
        try:
            check_patterns(self.separators_regex)
        except ValueError as error:
            raise ValueError(f"custom language {self.language_name!r}: {error}") from error


class SplitRecursively(op.FunctionSpec):
    """Split a text into chunks, at section boundaries first, then at ever weaker ones.

    Input: ``text``; ``chunk_size``; ``min_chunk_size`` (default half of ``chunk_size``, rounded down);
    ``chunk_overlap`` (default none); ``language`` (default plain text). Sizes are in bytes of UTF-8.
    ``language`` is looked up, in any case, among ``custom_languages``, then among the built-in ones by name,
    alias or file extension; an unknown one means plain text.

    Output: a table keyed by ``location`` (half-open range of characters) with ``text``, ``start`` and
    ``end``, each with ``offset`` (bytes, from 0), ``line`` and ``column`` (from 1, in code points).

    * No chunk is larger than ``chunk_size``, unless it is one code point that is. A piece that fits is never
      cut.
    * Small neighbours are merged until ``min_chunk_size`` is reached where boundaries allow it. Chunks below
      it remain before and after a section or piece that fills chunks of its own, and at the end.
    * An overlap repeats at most that many bytes, counts inside ``chunk_size``, begins at a boundary where
      there is one, and does not reach over the beginning of a section.
    * Without overlap, chunks are disjoint and hold everything but white space between them.
    * An edit changes the chunks around it: those of other sections stay as they were if their sections are
      larger than a chunk, and soon fall into step again if not.

    Good sizes: code 1500-3000, Markdown 1000-2000, plain text 500-1000, technical documents 1500-2500;
    ``min_chunk_size`` 40-60 % of ``chunk_size``.

    ``custom_languages``: a list (or None) of ``CustomLanguageSpec`` or dicts with its fields.

    Raises ``ValueError`` at construction if two custom languages share a name or alias, or if a pattern is refused. Raises it
    for sizes that contradict each other: when the flow is built if they are constants, else for the row.
    """

    custom_languages: Sequence[CustomLanguageSpec | dict[str, Any]] | None = None

    def __post_init__(self) -> None:
        languages = [_as_language(language) for language in self.custom_languages or ()]
        object.__setattr__(self, "custom_languages", languages)
        _by_name(languages)


def _as_language(given: CustomLanguageSpec | Mapping[str, Any]) -> CustomLanguageSpec:
    if isinstance(given, CustomLanguageSpec):
        return given
    try:
        return CustomLanguageSpec(**given)
    except TypeError as error:
        raise ValueError(
            f"a custom language has language_name, separators_regex and aliases, got {sorted(given)}"
        ) from error


def _by_name(languages: Sequence[CustomLanguageSpec]) -> "dict[str, tuple[Level, ...]]":
    """The levels of custom languages by folded name and alias.

    Raises ``ValueError`` if a name or alias occurs twice.
    """
    if not languages:
        return {}
    from coco_function_text.levels import PLAIN_TEXT, SeparatorLevel
    from coco_function_text.separators import check_patterns

    found: dict[str, tuple[Level, ...]] = {}
    for language in languages:
        levels = (
            *(SeparatorLevel(separator) for separator in check_patterns(language.separators_regex)),
            *PLAIN_TEXT,
        )
        for name in (language.language_name, *language.aliases):
            folded = name.casefold()
            if folded in found:
                raise ValueError(f"custom_languages: the name or alias {name!r} is used twice")
            found[folded] = levels
    return found


def _warn_of_unknown(language: str, spec: SplitRecursively) -> None:
    from coco_function_text.languages import find_language, language_names

    custom = _by_name([_as_language(item) for item in spec.custom_languages or ()])
    if language.casefold() in custom or find_language(language) is not None:
        return
    import difflib  # only ever needed here

    names = [*custom, *language_names()]
    near = difflib.get_close_matches(language.casefold(), names, 1)
    guess = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
    LOG.warning(
        "SplitRecursively: there is no language %r, so texts are split as plain text; %s", language, guess
    )


@op.executor_class(behavior_version=2, arg_relationship=(op.ArgRelationship.CHUNKS_BASE_TEXT, "text"))
class SplitRecursivelyExecutor:
    """Runs SplitRecursively; cheap, so results are not cached unless asked for."""

    spec: SplitRecursively
    runs_in_plan = True

    @staticmethod
    def check_constants(spec: SplitRecursively, constants: Mapping[str, Any]) -> None:
        """Checks those sizes that are constants. A size that is not known yet is taken to suit the others.

        An unknown language gets a warning: its texts are split as plain text.
        """
        least, overlap = constants.get("min_chunk_size"), constants.get("chunk_overlap")
        size = constants.get("chunk_size")
        if size is None:
            size = max([1, *(value + 1 for value in (least, overlap) if isinstance(value, int))])
        sizes_of(size, least, overlap)
        language = constants.get("language")
        if language:
            _warn_of_unknown(language, spec)

    @functools.cached_property
    def _custom(self) -> "dict[str, tuple[Level, ...]]":
        return _by_name([_as_language(language) for language in self.spec.custom_languages or ()])

    def __call__(
        self,
        text: str,
        chunk_size: int,
        min_chunk_size: int | None = None,
        chunk_overlap: int | None = None,
        language: str | None = None,
    ) -> ChunkTable:
        from coco_function_text.positions import line_feeds
        from coco_function_text.recursion import split_text

        lines = line_feeds(text)
        spans = split_text(
            lines,
            chunk_size=chunk_size,
            min_chunk_size=min_chunk_size,
            chunk_overlap=chunk_overlap,
            levels=self._levels(language or "", lines),
        )
        return chunk_table(text, spans)

    def _levels(self, language: str, text: str) -> "tuple[Level, ...]":
        from coco_function_text.code import levels_of
        from coco_function_text.languages import find_language
        from coco_function_text.levels import PLAIN_TEXT

        custom = self._custom.get(language.casefold())
        if custom is not None:
            return custom
        known = find_language(language)
        return PLAIN_TEXT if known is None else levels_of(known, text)
