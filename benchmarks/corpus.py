"""Corpora of markdown files, the same on every machine, and the edits that the workloads make to them."""

import json
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE_BYTES = 2050
"""About this much text in a file; split to at most 500 characters that is some 5.5 chunks."""

_CONSONANTS = "bcdfghklmnprstvz"
_VOWELS = "aeiou"


def _vocabulary() -> list[str]:
    source = random.Random("vocabulary")
    words: set[str] = set()
    while len(words) < 4000:
        length = source.choice((1, 2, 2, 2, 3, 3, 4))
        words.add("".join(source.choice(_CONSONANTS) + source.choice(_VOWELS) for _ in range(length)))
    return sorted(words)


WORDS = _vocabulary()


def relative_path(index: int) -> str:
    """Where file ``index`` lies: folders of folders of 25 files."""
    folder, book = index // 25 % 40, index // 1000
    return f"book-{book:03d}/part-{folder:02d}/page-{index:06d}.md"


def text_of(index: int) -> str:
    """Content of file ``index``: a title, sections with headings, paragraphs of one line each."""
    source = random.Random(index * 7919 + 17)
    words = iter(source.choices(WORDS, k=480))
    lines = [f"# {next(words).title()} {index}", ""]
    size = len(lines[0]) + 2
    while size < FILE_BYTES:
        if len(lines) % 8 == 2:
            lines += [f"## {next(words).title()} {next(words)}", ""]
            size += len(lines[-2]) + 2
        sentences = []
        for _ in range(source.randint(2, 4)):
            sentence = " ".join([next(words) for _ in range(source.randint(6, 12))])
            sentences.append(sentence.capitalize() + ".")
        lines += [" ".join(sentences), ""]
        size += len(lines[-2]) + 2
    return "\n".join(lines[:-1]) + "\n"


@dataclass
class Corpus:
    """A folder of generated files. Every edit is deterministic and says which files it changed."""

    root: Path
    count: int

    @classmethod
    def generate(cls, root: Path, count: int) -> "Corpus":
        """Writes ``count`` files. A folder that already holds this corpus, untouched, is used as it is."""
        stamp = root.with_suffix(".json")
        wanted = {"files": count, "bytes": FILE_BYTES, "version": 1}
        if stamp.exists() and json.loads(stamp.read_text()) == wanted:
            return cls(root, count)
        shutil.rmtree(root, ignore_errors=True)
        for index in range(count):
            path = root / relative_path(index)
            if index % 25 == 0:
                path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text_of(index))
        stamp.write_text(json.dumps(wanted))
        return cls(root, count)

    def copy_to(self, root: Path) -> "Corpus":
        """A fresh copy to be edited, with the same modification times."""
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.root, root)
        return Corpus(root, self.count)

    def files(self) -> list[str]:
        """Relative paths, sorted."""
        return sorted(_walk(str(self.root), ""))

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def _sample(self, kind: str, share: float) -> list[str]:
        files = self.files()
        return sorted(random.Random(kind).sample(files, max(1, round(len(files) * share))))

    def edit(self, share: float = 0.01) -> list[str]:
        """Adds a sentence to one paragraph in the middle of a share of the files."""
        chosen = self._sample("edit", share)
        for number, path in enumerate(chosen):
            self.edit_one(path, f"edited{number}")
        return chosen

    def edit_one(self, path: str, word: str) -> None:
        """Replaces the file at once, as editors do, so that no reader sees half of it."""
        paragraphs = self.read(path).split("\n\n")
        at = len(paragraphs) // 2
        while paragraphs[at].startswith("#"):
            at += 1
        first, _, rest = paragraphs[at].partition(" ")
        paragraphs[at] = f"{first} {word} {rest}"
        replacement = self.root / (path + ".new~")
        replacement.write_text("\n\n".join(paragraphs))
        replacement.replace(self.root / path)

    def delete(self, share: float = 0.01) -> list[str]:
        chosen = self._sample("delete", share)
        for path in chosen:
            (self.root / path).unlink()
        return chosen

    def touch(self) -> list[str]:
        """New modification times for all files, content as it was."""
        files = self.files()
        for path in files:
            os.utime(self.root / path)
        return files

    def rename(self, share: float = 0.01) -> list[str]:
        """Renames a share of the files within their folders; returns their new paths."""
        return [self._move(path, "moved", keep=False) for path in self._sample("rename", share)]

    def copy(self, share: float = 0.01) -> list[str]:
        """Copies a share of the files within their folders; returns the copies' paths."""
        return [self._move(path, "copied", keep=True) for path in self._sample("copy", share)]

    def _move(self, path: str, prefix: str, *, keep: bool) -> str:
        folder, _, name = path.rpartition("/")
        new = f"{folder}/{prefix}-{name}"
        if keep:
            shutil.copyfile(self.root / path, self.root / new)
        else:
            (self.root / path).rename(self.root / new)
        return new

    def only(self, root: Path, paths: list[str]) -> "Corpus":
        """Another corpus with nothing but copies of these files."""
        shutil.rmtree(root, ignore_errors=True)
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.root / path, root / path)
        return Corpus(root, len(paths))


def _walk(folder: str, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            elif entry.name.endswith(".md"):
                yield prefix + entry.name
