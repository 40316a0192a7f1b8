"""Ladybug, the default of coco-target-kuzu: the target against ``COPY`` from an Arrow table, a transaction for each batch.

It only inserts: a script with it cannot be run twice. ``MERGE``, as the target does it, is shown as well.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import coco
from benchmarks.targets.contest import Contest, Load, Watch, by_connector, fresh_name
from benchmarks.targets.sample import Row, Sample
from coco_kit_graph.mapping import Nodes
from coco_target_kuzu.connection import KuzuConnection
from coco_target_kuzu.spec import Kuzu, KuzuConnector

MERGE = (
    "LOAD FROM $rows MERGE (n:Page {name: name}) "
    "ON CREATE SET n.text = text, n.number = number, n.vector = vector "
    "ON MATCH SET n.text = text, n.number = number, n.vector = vector"
)
COPY = "COPY Page FROM $rows"


@contextmanager
def opened(folder: Path) -> Iterator[Contest]:
    def spec(name: str) -> Kuzu:
        place = KuzuConnection(database_path=str(folder / name))
        entry = coco.add_auth_entry(f"kuzu {name}", place)
        return Kuzu(connection=entry, mapping=Nodes(label="Page"))

    yield Contest(
        by_connector(KuzuConnector, spec),
        {"COPY from Arrow": _script(folder, COPY), "MERGE from Arrow": _script(folder, MERGE)},
    )


def _script(folder: Path, query: str) -> Load:
    def load(sample: Sample, watch: Watch) -> int:
        import ladybug

        with (
            closing(ladybug.Database(str(folder / fresh_name()))) as database,
            closing(ladybug.Connection(database)) as connection,
        ):
            connection.execute(
                "CREATE NODE TABLE Page (name STRING PRIMARY KEY, text STRING, number INT64, "
                f"vector FLOAT[{sample.dimension}])"
            )
            with watch.running():
                for batch in sample.natural:
                    connection.execute(query, {"rows": _table(batch, sample.dimension)})
            found: Any = connection.execute("MATCH (n:Page) RETURN count(*)")
            return int(found.get_next()[0])

    return load


def _table(batch: list[Row], dimension: int) -> Any:
    import pyarrow as pa

    names, texts, numbers, vectors = zip(*batch, strict=True)
    columns = {
        "name": pa.array(names),
        "text": pa.array(texts),
        "number": pa.array(numbers, pa.int64()),
        "vector": pa.array(vectors, pa.list_(pa.float32(), dimension)),
    }
    return pa.table(columns)
