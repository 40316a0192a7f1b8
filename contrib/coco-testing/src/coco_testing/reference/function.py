"""Functions that keep every rule: one plain, one with a spec, batching and preparation."""

from __future__ import annotations

from dataclasses import dataclass

from coco import op


@dataclass
class WordCount:
    """A word and the number of its occurrences in a text."""

    word: str
    count: int


class CountWords(op.FunctionSpec):
    """Words of a text, the most frequent first.

    least: omit words with fewer occurrences.
    """

    least: int = 1


@op.executor_class(batching=True, cache=True, behavior_version=1)
class CountWordsExecutor:
    """Counts words. Mutants derive from this class."""

    spec: CountWords

    def prepare(self) -> None:
        self._least = self.spec.least

    def __call__(self, text: list[str]) -> list[list[WordCount]]:
        return [self.count(item) for item in text]

    def count(self, text: str) -> list[WordCount]:
        """Count the words of one text. Raises ``ValueError`` if the text holds U+0000."""
        if "\0" in text:
            raise ValueError("a text must not hold U+0000")
        counts: dict[str, int] = {}
        for word in text.split():
            counts[word] = counts.get(word, 0) + 1
        found = [WordCount(word, count) for word, count in counts.items() if count >= self._least]
        return sorted(found, key=lambda item: (-item.count, item.word))


@op.function(behavior_version=1)
def clip_text(text: str, words: int | None = None) -> str:
    """The first words of a text; all words if the number is null."""
    if words is not None and words < 0:
        raise ValueError(f"words must not be negative, got {words}")
    return " ".join(text.split()[:words])
