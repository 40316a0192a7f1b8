"""What the floors share: a walk and a simple split."""

import os
from collections.abc import Iterator

from benchmarks.systems.command import CHUNK_SIZE


def walk(folder: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(path, path relative to the root) of every markdown file."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from walk(entry.path, f"{prefix}{entry.name}/")
            elif entry.name.endswith(".md"):
                yield entry.path, prefix + entry.name


def split(text: str) -> Iterator[tuple[int, int]]:
    """Half-open ranges: paragraphs packed into at most 500 characters, longer ones cut."""
    start = end = 0
    size = len(text)
    while start < size:
        end = start + CHUNK_SIZE
        if end < size:
            cut = text.rfind("\n\n", start, end)
            end = cut + 2 if cut > start else end
        else:
            end = size
        yield start, end
        start = end
