"""Records of failed rows: attempts are counted, and rows that fail too often are quarantined."""

from __future__ import annotations

import time

from coco.engine.batches import RowProblem
from coco.ops.error_text import describe, storable, traceback_text
from coco.state.protocol import Failure
from coco.types.storage import pack


def version_of(ordinal: int | None, content_fp: bytes | None) -> bytes:
    """Identifies the version of a row that failed; a change of either argument is a new version."""
    return pack((ordinal, content_fp if ordinal is None else None))


def next_failure(
    source_id: int,
    key: bytes,
    problem: RowProblem,
    previous: Failure | None,
    *,
    version: bytes,
    logic_fp: bytes,
    quarantine_after: int,
    texts: FailureTexts,
) -> Failure:
    """The record after one more failed attempt; attempts count per version and logic."""
    now = time.time_ns() // 1_000
    same = previous is not None and previous.version == version and previous.logic_fp == logic_fp
    attempts = previous.attempts + 1 if previous is not None and same else 1
    return Failure(
        source_id=source_id,
        key=key,
        phase=problem.phase,
        op=problem.op,
        error_type=type(problem.error).__name__,
        message=texts.message(problem),
        attempts=attempts,
        first_at=previous.first_at if previous is not None and same else now,
        last_at=now,
        version=version,
        logic_fp=logic_fp,
        quarantined=attempts >= quarantine_after and problem.phase in ("read", "evaluate"),
        traceback=texts.traceback(problem.error),
    )


def message_of(problem: RowProblem) -> str:
    """One line: the error, the place in the user's code, and the row of nested tables."""
    return FailureTexts().message(problem)


class FailureTexts:
    """Texts of the errors of one batch. If many rows share one error, its texts are made once."""

    def __init__(self) -> None:
        self._lines: dict[int, str] = {}
        self._tracebacks: dict[int, str] = {}

    def message(self, problem: RowProblem) -> str:
        """See ``message_of``."""
        mark = id(problem.error)
        if mark not in self._lines:
            self._lines[mark] = describe(problem.error, problem.target)
        text = self._lines[mark]
        return storable(f"{text}; in {problem.element}") if problem.element else text

    def traceback(self, error: BaseException) -> str:
        """The whole traceback."""
        if id(error) not in self._tracebacks:
            self._tracebacks[id(error)] = traceback_text(error)
        return self._tracebacks[id(error)]


def is_quarantined(failure: Failure | None, version: bytes, logic_fp: bytes) -> bool:
    """Whether an ordinary update skips this row."""
    return (
        failure is not None
        and failure.quarantined
        and failure.version == version
        and failure.logic_fp == logic_fp
    )
