"""Whether the rows are right, whatever splitter a system used.

Right means: rows of all files and of no others; every chunk is text of its file as it now is; chunks cover all
letters and digits (some splitters drop a full stop or a space between two chunks); none is there twice, or left
over from before an edit; embeddings are those of the chunks.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from benchmarks.corpus import Corpus
from benchmarks.embedding import DIMENSION, SALTS, compute
from benchmarks.rows import FetchedRow

TOLERANCE = 1e-5
SAMPLE = 2000


@dataclass
class Verdict:
    """What is wrong, in numbers, and with an example. Nothing wrong: ``right``."""

    rows: int = 0
    files_missing: int = 0
    files_surplus: int = 0
    chunks_foreign: int = 0
    files_uncovered: int = 0
    files_overfull: int = 0
    embeddings_wrong: int = 0
    example: str = field(default="")

    @property
    def right(self) -> bool:
        return not any(value for name, value in asdict(self).items() if name not in ("rows", "example"))

    def __str__(self) -> str:
        if self.right:
            return "right"
        wrong = [f"{value} {name.replace('_', ' ')}" for name, value in asdict(self).items() if value]
        return ", ".join(part for part in wrong if not part.endswith((" rows", " example")))


def check(corpus: Corpus, rows: Sequence[FetchedRow], variant: int) -> Verdict:
    """Compares a target's rows with the corpus as it is on disk."""
    chunks: dict[str, list[str]] = defaultdict(list)
    verdict = Verdict()
    salt = SALTS[variant]
    step = max(1, len(rows) // SAMPLE)
    for number, (name, text, embedding) in enumerate(rows):
        chunks[name].append(text)
        if number % step == 0 and not _same(embedding.values(), compute(text, salt)):
            verdict.embeddings_wrong += 1
            verdict.example = verdict.example or f"embedding of a chunk of {name}"
    verdict.rows = len(rows)
    for name in corpus.files():
        content = corpus.read(name)
        found = chunks.pop(name, None)
        if found is None:
            if content.strip():
                verdict.files_missing += 1
                verdict.example = verdict.example or f"{name} is missing"
            continue
        _check_file(name, content, found, verdict)
    verdict.files_surplus = len(chunks)
    if chunks:
        verdict.example = verdict.example or f"{next(iter(chunks))} should not be there"
    return verdict


def _check_file(name: str, content: str, chunks: list[str], verdict: Verdict) -> None:
    covered = bytearray(len(content))
    for chunk in chunks:
        start = content.find(chunk)
        if start < 0:
            verdict.chunks_foreign += 1
            verdict.example = verdict.example or f"{name}: {chunk[:60]!r} is not in the file"
        while start >= 0:
            covered[start : start + len(chunk)] = b"\1" * len(chunk)
            start = content.find(chunk, start + max(1, len(chunk)))
    if any(not mark and character.isalnum() for mark, character in zip(covered, content, strict=True)):
        verdict.files_uncovered += 1
        verdict.example = verdict.example or f"{name} is not covered"
    if sum(map(len, chunks)) > len(content):  # no system is asked to overlap its chunks
        verdict.files_overfull += 1
        verdict.example = verdict.example or f"{name} has more text in its rows than in the file"


def _same(found: tuple[float, ...], wanted: list[float]) -> bool:
    return len(found) == DIMENSION and all(
        math.isclose(a, b, rel_tol=0, abs_tol=TOLERANCE) for a, b in zip(found, wanted, strict=True)
    )
