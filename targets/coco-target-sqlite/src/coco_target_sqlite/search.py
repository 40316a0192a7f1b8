"""Searching a table that the target fills: by vector, by words, or by both.

::

    for hit in search("notes.db", "Notes__notes", vector=embed.eval(question), text=question):
        print(hit.score, hit["file"], hit["text"])
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from coco.errors import ClientError, TargetError, UnknownNameError
from coco.index import VectorSimilarityMetric
from coco.kit.values import value_decoder
from coco.typing import BasicValueType
from coco_target_sqlite import fts, vectors
from coco_target_sqlite.catalog import CATALOG, Entry, all_names, find_entry, table_exists
from coco_target_sqlite.connection import absolute, connect_to_read, explained, quoted

CANDIDATES = 100
"""How many rows of each kind a hybrid search ranks, at least; five times ``limit`` if that is more."""

RANK_CONSTANT = 60
"""k of reciprocal rank fusion: a row at rank r of a list gets 1 / (k + r) for it."""

_READ_AT_ONCE = 500


@dataclass(frozen=True)
class Hit(Mapping[str, Any]):
    """A row that was found: fields by name, as Python values.

    score: larger is better. Cosine similarity, inner product, minus the L2 distance, minus SQLite's bm25(), or for
    both kinds together the fused rank. vector_score, text_score: the parts, where the row was among the candidates.
    """

    values_by_field: Mapping[str, Any]
    score: float
    vector_score: float | None = None
    text_score: float | None = None

    def __getitem__(self, field: str) -> Any:
        return self.values_by_field[field]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_field)

    def __len__(self) -> int:
        return len(self.values_by_field)


def search(
    path: str | os.PathLike[str],
    table: str,
    *,
    vector: Sequence[float] | Any = None,
    text: str | None = None,
    limit: int = 10,
    where: str | None = None,
    parameters: Sequence[Any] = (),
    vector_field: str | None = None,
    text_field: str | None = None,
    metric: VectorSimilarityMetric | None = None,
    match_all: bool = False,
    fields: Sequence[str] | None = None,
) -> list[Hit]:
    """The best rows, best first. Reads one consistent state of the file and never waits for writers.

    table: its name, or the end of it after ``__`` if only one table of coco's ends so.
    vector: numbers, as many as the column's vectors have. text: words, no syntax; a row with any of them counts,
    with ``match_all`` only one with all. Both: the two lists are merged by reciprocal rank fusion.
    where: a condition in SQL on the table's columns, with ``?`` for ``parameters``.
    vector_field, text_field: needed if several fields have an index. metric: default, that of the index.
    fields: which fields to return; default, all.

    Raises ``ClientError`` for a request that makes no sense, ``TargetError`` if the file cannot be read.
    """
    if vector is None and text is None:
        raise ClientError("search: give vector=, text=, or both")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ClientError(f"search: limit must be a whole number of at least 1, got {limit!r}")
    place = absolute(os.fspath(path))
    with closing(connect_to_read(place)) as db:
        try:
            db.execute("BEGIN")
            request = _Search(db, place, _entry(db, place, table), where, tuple(parameters))
            count = limit if vector is None or text is None else max(CANDIDATES, 5 * limit)
            near = [] if vector is None else request.by_vector(vector, vector_field, metric, count)
            said = [] if text is None else request.by_text(text, text_field, match_all, count)
            if vector is None or text is None:
                ranked = near or said
            else:
                ranked = _fused(near, said)
            return request.hits(ranked[:limit], dict(near), dict(said), fields)
        except sqlite3.Error as error:
            raise explained(error, place, table) from error


def _entry(db: sqlite3.Connection, path: str, table: str) -> Entry:
    entry = find_entry(db, table)
    if entry is not None:
        return entry
    names = all_names(db)
    ending = [name for name in names if name.endswith(f"__{table}")]
    if len(ending) == 1:
        entry = find_entry(db, ending[0])
        assert entry is not None
        return entry
    if ending:
        raise UnknownNameError(f"search: several tables of {path} end in {table!r}: {', '.join(ending)}")
    if table_exists(db, table) and table != CATALOG:
        raise TargetError(
            f"table {table!r} of SQLite file {path} was not set up by coco, so coco has no record of its indexes; "
            "tables exported with setup_by_user=True are searched with your own SQL"
        )
    raise UnknownNameError(
        f"search: SQLite file {path} has no table {table!r}; coco's tables there: {', '.join(names) or 'none'}"
    )


def _fused(near: Sequence[tuple[int, float]], said: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Reciprocal rank fusion: only ranks count, since scores of different kinds cannot be compared."""
    scores: dict[int, float] = {}
    for ranked in (near, said):
        for rank, (row_id, _) in enumerate(ranked, 1):
            scores[row_id] = scores.get(row_id, 0.0) + 1.0 / (RANK_CONSTANT + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


class _Search:
    """One request to one table, within one read transaction."""

    def __init__(
        self,
        db: sqlite3.Connection,
        path: str,
        entry: Entry,
        where: str | None,
        parameters: tuple[Any, ...],
    ) -> None:
        self._db, self._path, self._entry = db, path, entry
        self._table, self._row_id = quoted(entry.table), quoted(entry.row_id)
        self._where, self._parameters = where, parameters
        if parameters and where is None:
            raise ClientError("search: parameters= without where=")

    def by_vector(
        self,
        vector: Any,
        field: str | None,
        metric: VectorSimilarityMetric | None,
        count: int,
    ) -> list[tuple[int, float]]:
        """(row id, score), best first."""
        indexes = {item.field: item.metric for item in self._entry.state.vector_indexes}
        if field is None or metric is None:
            field = self._chosen(field, list(indexes), "vector")
            metric = metric or VectorSimilarityMetric(indexes[field])
        types = {item.name: item.value_type for item in self._entry.state.columns}
        type_ = types.get(field)
        if not isinstance(type_, BasicValueType) or type_.packed_format is None or type_.vector is None:
            raise UnknownNameError(f"search: field {field!r} of {self._entry.table} is no vector of numbers")
        try:
            query = [float(number) for number in vector]
        except (TypeError, ValueError, OverflowError) as error:
            raise ClientError(f"search: vector must be numbers, got {type(vector).__name__}") from error
        odd = [number for number in query if not math.isfinite(number)]
        if odd:
            raise ClientError(f"search: vector must be finite numbers, got {odd[0]} among them")
        dimension = type_.vector.dimension
        if not query or (dimension is not None and len(query) != dimension):
            raise ClientError(
                f"search: vector has {len(query)} numbers, those of field {field!r} have {dimension or 'some'}: "
                "embed the query with the function that embeds the rows"
            )
        name, code = quoted(field), type_.packed_format[0]
        condition = f" AND ({self._where})" if self._where is not None else ""
        rows = self._db.execute(
            f"SELECT {self._row_id}, {name} FROM {self._table} "
            f"WHERE typeof({name}) = 'blob' AND length({name}) = ?{condition}",
            (vectors.packed_size(code, len(query)), *self._parameters),
        )
        return vectors.nearest(rows, query, code, metric, count)

    def by_text(self, text: str, field: str | None, every: bool, count: int) -> list[tuple[int, float]]:
        """(row id, score), best first."""
        known = [item.field for item in self._entry.state.text_indexes]
        index = quoted(fts.index_name(self._entry.table, self._chosen(field, known, "full-text")))
        if not isinstance(text, str):
            raise ClientError(f"search: text must be str, got {type(text).__name__}")
        expression = fts.match_expression(text, every=every)
        if not expression:
            return []
        condition = ""
        if self._where is not None:
            # `+` keeps the planner from asking the index once per row.
            condition = f" AND +rowid IN (SELECT {self._row_id} FROM {self._table} WHERE ({self._where}))"
        rows = self._db.execute(
            f"SELECT rowid, -rank FROM {index} WHERE {index} MATCH ?{condition} ORDER BY rank, rowid LIMIT ?",
            (expression, *self._parameters, count),
        )
        return rows.fetchall()

    def _chosen(self, field: str | None, known: Sequence[str], what: str) -> str:
        if field is None and len(known) == 1:
            return known[0]
        if field is not None and field in known:
            return field
        problem = (
            f"has no {what} index"
            if field is None and not known
            else f"has {what} indexes on {', '.join(known)}"
        )
        if field is not None:
            problem = f"has no {what} index on {field!r}, but on {', '.join(known) or 'no field'}"
        raise UnknownNameError(
            f"search: table {self._entry.table!r} of {self._path} {problem}; name one with "
            f"{'vector_field' if what == 'vector' else 'text_field'}="
        )

    def hits(
        self,
        ranked: Sequence[tuple[int, float]],
        near: Mapping[int, float],
        said: Mapping[int, float],
        fields: Sequence[str] | None,
    ) -> list[Hit]:
        """The rows themselves, in the order given."""
        columns = {item.name: item for item in self._entry.state.columns}
        names = list(columns) if fields is None else list(fields)
        unknown = [name for name in names if name not in columns]
        if unknown:
            raise UnknownNameError(
                f"search: no fields {', '.join(unknown)} in {self._entry.table}; there are {', '.join(columns)}"
            )
        readers = []
        for name in names:
            column = columns[name]
            to_python = value_decoder(column.value_type, path=[name])
            readers.append((name, column.codec.decode, to_python))
        found: dict[int, dict[str, Any]] = {}
        ids = [row_id for row_id, _ in ranked]
        selected = ", ".join([self._row_id, *(quoted(name) for name in names)])
        for start in range(0, len(ids), _READ_AT_ONCE):
            part = ids[start : start + _READ_AT_ONCE]
            rows = self._db.execute(
                f"SELECT {selected} FROM {self._table} WHERE {self._row_id} IN ({', '.join('?' * len(part))})",
                part,
            )
            for row_id, *cells in rows:
                found[row_id] = {
                    name: None if cell is None else to_python(cell if read is None else read(cell))
                    for (name, read, to_python), cell in zip(readers, cells, strict=True)
                }
        return [
            Hit(found[row_id], score, near.get(row_id), said.get(row_id))
            for row_id, score in ranked
            if row_id in found
        ]
