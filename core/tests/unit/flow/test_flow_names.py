"""The naming rule, automatic names, and names of sources."""

import pytest

from coco.errors import CallShapeError
from coco.flow.names import AutomaticNames, NamingError, check_name, snake_case


@pytest.mark.parametrize("name", ["a", "_a", "A9_b", "x" * 64, "_collector_0"])
def test_legal_names(name):
    assert check_name(name, "field") == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is empty"),
        ("x" * 65, "65 characters"),
        ("__a", "double underscore"),
        ("9a", "identifier"),
        ("a-b", "identifier"),
        ("a.b", "identifier"),
        ("größe", "identifier"),
        ("a\n", "identifier"),
    ],
)
def test_illegal_names(name, why):
    with pytest.raises(NamingError, match=why) as caught:
        check_name(name, "field")
    assert isinstance(caught.value, ValueError)
    assert "invalid field name" in str(caught.value)


def test_a_name_must_be_a_string():
    with pytest.raises(CallShapeError, match="name of a target must be a str, got int"):
        check_name(3, "target")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("LocalFile", "local_file"),
        ("SplitRecursively", "split_recursively"),
        ("AmazonS3", "amazon_s3"),
        ("ExtractByLlm", "extract_by_llm"),
        ("HTTPFetch", "http_fetch"),
        ("Embed2Text", "embed2_text"),
        ("S3", "s3"),
    ],
)
def test_snake_case(kind, name):
    assert snake_case(kind) == name


def test_automatic_names_count_per_prefix_and_skip_what_is_taken():
    names = AutomaticNames()
    taken = {"a_1"}
    assert [names.take("a_", taken.__contains__) for _ in range(3)] == ["a_0", "a_2", "a_3"]
    assert names.take("b_", taken.__contains__) == "b_0"


def source_names(build, ops, function):
    return [source.name for source in build(function).sources]


def test_a_source_is_named_by_its_name_then_its_field_then_automatically(build, ops):
    def flow(builder, root):
        root["first"] = builder.add_source(ops.Files())
        root["second"] = builder.add_source(ops.Files(), name="given")
        builder.add_source(ops.Files())
        builder.add_source(ops.Files(), name="alone")
        root["third"] = builder.add_source(ops.Files(), name="third")

    graph = build(flow)
    assert [source.name for source in graph.sources] == ["first", "given", "files_0", "alone", "third"]
    slots = [graph.slots[source.slot].name for source in graph.sources]
    assert slots == ["first", "second", "files_0", "alone", "third"]
    assert [scope.path for scope in graph.scopes[1:]] == slots
    assert [scope.source for scope in graph.scopes[1:]] == [source.name for source in graph.sources]


def test_a_source_may_get_its_field_after_use(build, ops):
    def flow(builder, root):
        documents = builder.add_source(ops.Files())
        with documents.row() as doc:
            doc["loud"] = doc["content"].transform(ops.shout)
        root["documents"] = documents
        root["again"] = documents

    graph = build(flow)
    assert [source.name for source in graph.sources] == ["documents"]
    assert graph.scopes[1].path == "documents"


def test_automatic_source_names_skip_names_in_use(build, ops):
    def flow(builder, root):
        builder.add_source(ops.Files())
        root["files_0"] = builder.add_source(ops.Files())
        builder.add_source(ops.Files(), name="files_1")

    assert source_names(build, ops, flow) == ["files_2", "files_0", "files_1"]


def test_two_sources_cannot_share_a_name(build, ops):
    def both_given(builder, root):
        builder.add_source(ops.Files(), name="x")
        builder.add_source(ops.Files(), name="x")

    def field_and_given(builder, root):
        root["x"] = builder.add_source(ops.Files())
        builder.add_source(ops.Files(), name="x")

    for flow in (both_given, field_and_given):
        with pytest.raises(ValueError, match="there is a source named 'x' already"):
            build(flow)


def test_collectors_are_named_in_order(build, ops):
    def flow(builder, root):
        root.add_collector()
        root.add_collector("_collector_1")
        root.add_collector()

    assert [item.name for item in build(flow).collectors] == ["_collector_0", "_collector_1", "_collector_2"]
