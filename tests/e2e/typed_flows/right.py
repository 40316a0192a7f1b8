"""A flow without mistakes: checked by ``test_typed_flows.py``, never run."""

import datetime

import coco
from coco.functions import HashEmbed
from coco.targets import Sqlite


@coco.op.function(cache=True, timeout=datetime.timedelta(seconds=5))
def title(text: str) -> str | None:
    return next(iter(text.splitlines()), None)


@coco.fn(memo=True, runner="process")
def shout(text: str) -> str:
    return text.upper()


@coco.transform_flow()
def embed(text: coco.DataSlice[str]) -> coco.DataSlice[list[float]]:
    return text.transform(HashEmbed(dimension=8))


class Twice(coco.op.FunctionSpec):
    """In-project operations are checked like those of plugins."""

    times: int = 2


@coco.op.executor_class(cache=True, behavior_version=1)
class TwiceExecutor:
    spec: Twice

    def __call__(self, text: str) -> str:
        return text * self.spec.times


@coco.flow_def(name="Right")
def right(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
    scope["files"] = builder.add_source(
        coco.sources.LocalFile(path="notes", included_patterns=["**/*.md"], follow_links="inside"),
        name="files",
        refresh_interval=datetime.timedelta(minutes=1),
    )
    rows = scope.add_collector()
    with scope["files"].row(max_inflight_rows=10) as file:
        file["title"] = file["content"].transform(title)
        file["loud"] = file["title"].transform(shout, op_args={"cache": False})
        file["twice"] = file["content"].transform(Twice(times=3), op_args=coco.op.OpArgs(timeout=None))
        rows.collect(
            file=file["filename"], title=file["title"], kind="note", vector=file["content"].call(embed)
        )
    rows.export(
        "notes",
        Sqlite(path="notes.db", table_name="notes"),
        primary_key_fields=["file"],
        vector_indexes=[coco.VectorIndexDef("vector", coco.VectorSimilarityMetric.COSINE_SIMILARITY)],
        fts_indexes=[coco.FtsIndexDef("title")],
    )
    rows.export(
        "elsewhere",
        coco.targets.Postgres(
            database=coco.add_auth_entry("db", coco.DatabaseConnectionSpec(url="postgres://host/db")),
            column_options={"vector": coco.targets.PostgresColumnOptions(type="halfvec")},
        ),
        primary_key_fields=("file",),
        attachments=[coco.targets.PostgresSqlCommand(name="role", setup_sql="CREATE ROLE reader")],
        setup_by_user=True,
    )


def keep_fresh() -> int:
    right.setup()
    with coco.FlowLiveUpdater(right, coco.FlowLiveUpdaterOptions(live_mode=True)) as updater:
        updater.wait()
    return right.update(print_stats=True)["files"].num_errors
