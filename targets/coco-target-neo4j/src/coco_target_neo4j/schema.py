"""Constraints and indexes as text, and which there are."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from coco.kit.quoting import quote_cypher
from coco_kit_graph.catalog import Entry
from coco_kit_graph.schema import VectorIndex
from coco_target_neo4j.elements import unique_names
from coco_target_neo4j.vector import SIMILARITY


def constraint_name(entry: Entry) -> str:
    """The same for the same label and key, on every run."""
    return _named(entry.kind, entry.name, unique_names(entry.kind, entry.state.key))


def index_name(entry: Entry, index: VectorIndex) -> str:
    """The same for the same label and property, on every run."""
    return _named("vector", entry.name, [index.field, index.metric])


def _named(kind: str, name: str, parts: Sequence[str]) -> str:
    digest = hashlib.blake2b(json.dumps([kind, name, *parts]).encode(), digest_size=6).hexdigest()
    plain = re.sub(r"[^A-Za-z0-9]+", "_", f"{name}_{parts[0]}").strip("_")[:40]
    return f"coco_{plain}_{digest}".lower()


def create_constraint(entry: Entry) -> str:
    """The statement that makes keys unique."""
    return f"CREATE CONSTRAINT {constraint_name(entry)} IF NOT EXISTS FOR {_pattern(entry)} REQUIRE ({_keys(entry)}) IS UNIQUE"


def create_key_index(entry: Entry) -> str:
    """For servers that have no constraints on relationships."""
    return f"CREATE INDEX {constraint_name(entry)} IF NOT EXISTS FOR {_pattern(entry)} ON ({_keys(entry)})"


def drop_constraint(entry: Entry) -> list[str]:
    """Statements that undo either; what is not there is no error."""
    name = constraint_name(entry)
    return [f"DROP CONSTRAINT {name} IF EXISTS", f"DROP INDEX {name} IF EXISTS"]


def _pattern(entry: Entry) -> str:
    name = quote_cypher(entry.name)
    return f"(x:{name})" if entry.kind == "node" else f"()-[x:{name}]-()"


def _keys(entry: Entry) -> str:
    return ", ".join(f"x.{quote_cypher(name)}" for name in unique_names(entry.kind, entry.state.key))


def create_vector_index(entry: Entry, index: VectorIndex) -> str:
    """The statement that makes a vector index."""
    options = {
        "vector.dimensions": str(index.dimension),
        "vector.similarity_function": f"'{SIMILARITY[index.metric]}'",
        "vector.hnsw.m": None if index.m is None else str(index.m),
        "vector.hnsw.ef_construction": None if index.ef_construction is None else str(index.ef_construction),
    }
    given = ", ".join(f"`{name}`: {value}" for name, value in options.items() if value is not None)
    return (
        f"CREATE VECTOR INDEX {index_name(entry, index)} IF NOT EXISTS FOR (x:{quote_cypher(entry.name)}) "
        f"ON (x.{quote_cypher(index.field)}) OPTIONS {{indexConfig: {{{given}}}}}"
    )


def drop_vector_index(entry: Entry, index: VectorIndex) -> str:
    """The statement that undoes it."""
    return f"DROP INDEX {index_name(entry, index)} IF EXISTS"


INDEXES = "SHOW INDEXES YIELD labelsOrTypes, properties RETURN labelsOrTypes, properties"
