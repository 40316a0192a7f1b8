"""What this distribution brings to coco. Light: nothing else is imported until it is used."""

from __future__ import annotations

from coco.plugins import OpManifest, hookimpl

COCO_API = 1


@hookimpl
def coco_ops() -> list[OpManifest]:
    """The operations, by the module that registers them."""
    return [
        OpManifest(
            "target",
            "Postgres",
            "coco_target_postgres.spec:Postgres",
            doc="A table of a Postgres database, with pgvector and full-text indexes.",
            also=("PostgresColumnOptions",),
        ),
        OpManifest(
            "target_attachment",
            "PostgresSqlCommand",
            "coco_target_postgres.attachments:PostgresSqlCommand",
            doc="SQL to run when the table is set up and when it is dropped.",
        ),
    ]
