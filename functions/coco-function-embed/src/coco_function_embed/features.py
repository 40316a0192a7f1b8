"""From texts to signed hashed features to vectors: the arithmetic behind ``HashEmbed``.

Everything up to the last division is exact integer arithmetic modulo 2**64, and what follows are
divisions and square roots that IEEE 754 rounds correctly. So equal texts give equal bits in every
process, on every machine, alone or in any batch.

A text is cut into words (runs of letters and digits, case folded). Features are the words and the
n-grams of characters inside each word, a word being written with a blank on either side. The hash of a
stretch of text is a polynomial of its code points; differences of one running sum give the hashes of
all stretches of all texts at once.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Float32Matrix: TypeAlias = npt.NDArray[np.float32]
_Words: TypeAlias = npt.NDArray[np.uint64]

BLANK = 32
WORD_SIZE = 0
"""Stands for "a whole word" where otherwise the length of an n-gram stands."""

_BASE = np.uint64(0x9E3779B97F4A7C15)
_BASE_INVERSE = np.uint64(pow(int(_BASE), -1, 1 << 64))
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_HALF = np.uint64(33)
_LOW = np.uint64(0xFFFFFFFF)
_CHUNK = 1 << 13
"""Characters worked on at a time: few enough for the intermediate arrays to stay in the cache."""


class FeatureHasher:
    """Turns texts into unit vectors of ``dimension`` numbers.

    smallest, largest: lengths of the character n-grams, in code points, blanks at the word's ends included.
    word_weight: how many times a whole word counts, against one for an n-gram.
    """

    def __init__(self, dimension: int, smallest: int, largest: int, word_weight: int) -> None:
        self._dimension = dimension
        self._sizes = range(smallest, largest + 1)
        self._word_weight = word_weight
        self._alphabet = _Alphabet()
        self._tables = (np.ones(1, np.uint64), np.ones(1, np.uint64))
        self._wordless = int(_buckets(_mix(np.zeros(1, np.uint64), WORD_SIZE), dimension)[0])

    def embed(self, texts: Sequence[str]) -> Float32Matrix:
        """One row per text, each of length 1. A text without a letter or digit gets one fixed vector."""
        result = np.empty((len(texts), self._dimension), np.float32)
        start = 0
        while start < len(texts):
            end, chars = start, 0
            while end < len(texts) and (chars == 0 or chars + len(texts[end]) <= _CHUNK):
                chars += len(texts[end])
                end += 1
            result[start:end] = _normalised(self._counts(texts[start:end]), self._wordless)
            start = end
        return result

    def _counts(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Sums of the signs of the features in each bucket, one row per text."""
        points, owners = self._alphabet.read(texts)
        # The sum over c[i] * base**i: a stretch [i, j) hashes to (sums[j] - sums[i]) / base**i.
        powers, inverses = self._powers(len(points))
        sums = np.zeros(len(points) + 1, np.uint64)
        np.cumsum(points.astype(np.uint64) * powers, out=sums[1:])
        is_blank = points == BLANK
        blanks_before = np.zeros(len(points) + 1, np.int32)
        np.cumsum(is_blank, out=blanks_before[1:])
        counts = np.zeros((len(texts), self._dimension), np.int64)
        for size in self._sizes:
            count = len(points) - size + 1
            if count < 1:
                break
            inside = blanks_before[size - 1 : size - 1 + count] == blanks_before[1 : 1 + count]
            if size == 2:  # has no inside, and two blanks are no feature
                inside &= ~(is_blank[:-1] & is_blank[1:])
            starts = np.flatnonzero(inside)
            self._add(
                counts, (sums[starts + size] - sums[starts]) * inverses[starts], size, owners[starts], 1
            )
        if self._word_weight:
            edges = np.flatnonzero(is_blank)
            long = np.diff(edges) > 1
            starts, ends = edges[:-1][long] + 1, edges[1:][long]
            hashes = (sums[ends] - sums[starts]) * inverses[starts]
            self._add(counts, hashes, WORD_SIZE, owners[starts], self._word_weight)
        return counts

    def _add(
        self,
        counts: npt.NDArray[np.int64],
        hashes: _Words,
        size: int,
        owners: npt.NDArray[np.intp],
        weight: int,
    ) -> None:
        mixed = _mix(hashes, size)
        # Twice as many places as buckets: one for each sign, so that counting needs no weights.
        places = (owners * self._dimension + _buckets(mixed, self._dimension)) * 2
        places += (mixed & np.uint64(1)).astype(np.intp)
        found = np.bincount(places, minlength=counts.size * 2).reshape(*counts.shape, 2)
        counts += (found[:, :, 0] - found[:, :, 1]) * weight

    def _powers(self, length: int) -> tuple[_Words, _Words]:
        """Powers of the base and of its inverse, at least ``length`` of each."""
        tables = self._tables  # read and replaced as one, so that threads need no lock
        if len(tables[0]) < length:
            tables = self._tables = (_powers(_BASE, length), _powers(_BASE_INVERSE, length))
        return tables[0][:length], tables[1]


def _powers(base: np.uint64, count: int) -> _Words:
    factors = np.full(count, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors)


def _mix(hashes: _Words, size: int) -> _Words:
    """Spread the information of each hash over all its bits; equal text of another size ends elsewhere."""
    mixed = hashes + np.uint64((size + 1) * 0x632BE59BD9B4E019 & 0xFFFFFFFFFFFFFFFF)
    mixed ^= mixed >> _HALF
    mixed *= _MIX_1
    mixed ^= mixed >> _HALF
    mixed *= _MIX_2
    mixed ^= mixed >> _HALF
    return mixed


def _buckets(mixed: _Words, dimension: int) -> npt.NDArray[np.intp]:
    return (((mixed >> np.uint64(32)) * np.uint64(dimension)) >> np.uint64(32)).astype(np.intp)


def _normalised(counts: npt.NDArray[np.int64], wordless: int) -> Float32Matrix:
    """Signed square roots (a word said nine times counts three times as much), scaled to length 1.

    The squares of the roots are the counts again: their sum is an integer and exact.
    """
    totals = np.abs(counts).sum(axis=1)
    empty = totals == 0
    if empty.any():
        counts[empty, wordless] = 1
        totals[empty] = 1
    scaled: npt.NDArray[np.float64] = np.sqrt(np.abs(counts) / totals[:, None])
    np.copysign(scaled, counts, out=scaled)
    return scaled.astype(np.float32)


class _Alphabet:
    """Texts as one array of code points: folded, all but words blank, blanks around each text."""

    def __init__(self) -> None:
        # What is beyond ASCII is looked up when it is first met; text rarely uses much of Unicode.
        self._letters = {chr(point): chr(point).isalnum() for point in range(128)}
        self._table = np.array([chr(point).isalnum() for point in range(128)])

    def read(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.intp]]:
        """(code points, index of the text each belongs to)."""
        folded = [_fold(text) for text in texts]
        joined = " " + " ".join(folded) + " "
        points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint32)
        # The blank before a text belongs to it; the one after the last text to the last.
        lengths = np.array([len(text) + 1 for text in folded])
        if len(lengths):
            lengths[-1] += 1
        owners = np.repeat(np.arange(len(texts)), lengths)
        ascii_points = points < 128
        if ascii_points.all():
            is_word = self._table[points]
        else:
            is_word = np.empty(len(points), np.bool_)
            is_word[ascii_points] = self._table[points[ascii_points]]
            others, inverse = np.unique(points[~ascii_points], return_inverse=True)
            known = np.array([self._is_word(chr(point)) for point in others])
            is_word[~ascii_points] = known[inverse]
        points[~is_word] = BLANK
        return points, owners

    def _is_word(self, char: str) -> bool:
        found = self._letters.get(char)
        if found is None:
            # Marks belong to the letter they stand on: without them Indic words fall to pieces.
            found = char.isalnum() or unicodedata.category(char).startswith("M")
            self._letters[char] = found
        return found


def _fold(text: str) -> str:
    """Spelling variants of one text to one form: compatibility forms and case."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
