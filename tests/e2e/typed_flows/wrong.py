"""Mistakes that a type checker finds: checked by ``test_typed_flows.py``, never run.

A line that ends with ``# E: code`` has an error of that code; no other line has one.
"""

import coco


@coco.flow_def(name="Wrong")
def wrong(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
    scope["a"] = builder.add_source(coco.sources.LocalFile(pth="notes"))  # E: call-arg
    scope["b"] = builder.add_source(coco.sources.LocalFile(path=3))  # E: arg-type
    rows = scope.add_collector()
    rows.export("a", coco.targets.Sqlite(path="a.db"), primary_key_feilds=["id"])  # E: call-arg


class Times(coco.op.FunctionSpec):
    times: int


class Feed(coco.op.SourceSpec):
    url: str
    pages: int = 1


@coco.op.function(cach=True)  # E: call-overload untyped-decorator
def misspelt_option(text: str) -> str:
    return text


@coco.op.function(behaviour_version=2)  # E: call-overload untyped-decorator
def british_option(text: str) -> str:
    return text


@coco.fn(memo=True, timeout=5)  # E: call-overload untyped-decorator
def option_of_another_type(text: str) -> str:
    return text


@coco.op.function(cache=True)
def fine(text: str) -> str:
    return text


def more(builder: coco.FlowBuilder, scope: coco.DataScope, rows: coco.DataCollector) -> None:
    feed, files, table = Feed("a"), coco.sources.LocalFile(path="a"), coco.targets.Sqlite(path="a.db")
    coco.sources.LocalFiles(path="a")  # E: attr-defined
    coco.targets.PostgresSqlCommand(name="a", setup_sqls="")  # E: call-arg
    coco.targets.Postgres(database="postgres://host/db")  # E: arg-type
    coco.functions.HashEmbed(dimension="8")  # E: arg-type
    Feed(pages=2)  # E: call-arg
    Feed("a", pages="2")  # E: arg-type
    Times(times=1.5)  # E: arg-type
    feed.pages = 2  # E: misc
    builder.add_source(files, refresh=3)  # E: call-arg
    builder.add_source(table)  # E: arg-type
    builder.add_sauce(files)  # E: attr-defined
    builder.declare(table)  # E: arg-type
    builder.add_collector()  # E: attr-defined
    scope.add_source(files)  # E: attr-defined
    scope["a"].transform("upper")  # E: arg-type
    scope["a"].transform(fine, op_args={"gup": True})  # E: arg-type
    scope["a"].row(max_rows=1)  # E: call-arg
    scope.rows = scope["a"]  # E: attr-defined
    for _ in scope:  # E: attr-defined
        pass
    rows.export("b", files, primary_key_fields=["a"])  # E: arg-type
    rows.export("b", table)  # E: call-arg
    rows.export("b", table, primary_key_fields=["a"], fts_indexes=["text"])  # E: list-item
    rows.export("b", table, primary_key_fields=["a"], attachments=[table])  # E: list-item
    coco.VectorIndexDef("vector", "cosine")  # E: arg-type
    coco.FtsIndexDef(field="text")  # E: call-arg
    coco.HnswVectorIndexMethod(ef=3)  # E: call-arg
    coco.FlowLiveUpdater(wrong, coco.FlowLiveUpdaterOptions(live_mod=True))  # E: call-arg
    coco.EvaluateAndDumpOptions(outputdir="a")  # E: call-arg
    coco.DatabaseConnectionSpec(ulr="a")  # E: call-arg
    wrong.add_collector()  # E: attr-defined
    wrong.update(full_reproces=True)  # E: call-arg
    coco.flow_deff("Other")  # E: attr-defined
