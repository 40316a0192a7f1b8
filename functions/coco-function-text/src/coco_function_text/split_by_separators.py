"""SplitBySeparators: a text into pieces at every match of given patterns."""

import functools
from collections.abc import Sequence
from typing import Literal

from coco import op
from coco_function_text.chunk_table import ChunkTable, chunk_table
from coco_function_text.separation import separate
from coco_function_text.separators import Separator, compile_alternatives


class SplitBySeparators(op.FunctionSpec):
    """Split a text at every match of any pattern, without levels and sizes.

    Input: ``text``. Output: the same table as that of SplitRecursively.

    Raises ``ValueError`` at construction if a pattern is refused.
    """

    separators_regex: Sequence[str] = ()
    """At each place the first pattern in the list that matches counts. Matches do not overlap, and empty ones do not split. No
    patterns: the whole text is one chunk. ``separators`` describes the syntax and its limits."""
    keep_separator: Literal["NONE", "LEFT", "RIGHT"] = "NONE"
    """``NONE`` drops the separators. ``LEFT`` puts each at the *start* of the chunk after it (for headings), ``RIGHT`` at the
    *end* of the chunk before it (for full stops). Some other tools use the two words the other way round."""
    include_empty: bool = False
    """Keep empty chunks, with an empty range at their place. Two at one place become one."""
    trim: bool = True
    """Remove white space at both ends of a chunk. Positions are those of the trimmed chunk."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "separators_regex", list(self.separators_regex))
        _compiled(self)


def _compiled(spec: SplitBySeparators) -> Separator | None:
    return compile_alternatives(tuple(spec.separators_regex)) if spec.separators_regex else None


@op.executor_class(behavior_version=2, arg_relationship=(op.ArgRelationship.CHUNKS_BASE_TEXT, "text"))
class SplitBySeparatorsExecutor:
    """Runs SplitBySeparators; cheap, so results are not cached unless asked for."""

    spec: SplitBySeparators
    runs_in_plan = True

    @functools.cached_property
    def _separator(self) -> Separator | None:
        return _compiled(self.spec)

    def __call__(self, text: str) -> ChunkTable:
        spec = self.spec
        spans = separate(
            text, self._separator, keep=spec.keep_separator, include_empty=spec.include_empty, trim=spec.trim
        )
        return chunk_table(text, spans)
