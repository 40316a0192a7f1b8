"""Rows that could not be brought up to date: remembered, retried, parked (I-77, I-82, X-036)."""

from __future__ import annotations

import time

from coco.engine.batches import RowProblem
from coco.errors import CocoError
from coco.state.protocol import Failure
from coco.types.storage import pack

MAX_MESSAGE = 2_000


def version_of(ordinal: int | None, content_fp: bytes | None) -> bytes:
    """Identifies the version of a row that failed; any of both moving counts as a new version."""
    return pack((ordinal, content_fp if ordinal is None else None))


def next_failure(
    source_id: int,
    key: bytes,
    problem: RowProblem,
    previous: Failure | None,
    *,
    version: bytes,
    logic_fp: bytes,
    park_after: int,
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
        message=describe(problem.error)[:MAX_MESSAGE],
        attempts=attempts,
        first_at=previous.first_at if previous is not None and same else now,
        last_at=now,
        version=version,
        logic_fp=logic_fp,
        parked=attempts >= park_after and problem.phase in ("read", "evaluate"),
    )


def describe(error: BaseException) -> str:
    """One line, with the chain of causes."""
    texts: list[str] = []
    current: BaseException | None = error
    while current is not None and len(texts) < 4:
        text = str(current) or type(current).__name__
        if not (texts and text in texts[-1]):  # said already
            texts.append(text if isinstance(current, CocoError) else f"{type(current).__name__}: {text}")
        current = current.__cause__
    return "; caused by ".join(texts)


def is_parked(failure: Failure | None, version: bytes, logic_fp: bytes) -> bool:
    """Whether an ordinary update leaves this row alone."""
    return (
        failure is not None and failure.parked and failure.version == version and failure.logic_fp == logic_fp
    )
