"""Mistakes in definitions: what is raised, and that it says where."""

import datetime
import re

import pytest

from coco.errors import CallShapeError, DefinitionError, LifecycleError, UnknownNameError


def in_row(action):
    """A flow that runs ``action(builder, root, doc)`` inside the rows of one source."""

    def make(ops):
        def flow(builder, root):
            root["documents"] = builder.add_source(ops.Files())
            with root["documents"].row() as doc:
                action(ops, builder, root, doc)

        return flow

    return make


def fails(build, ops, action, cls, pattern):
    with pytest.raises(cls, match=pattern) as caught:
        build(in_row(action)(ops))
    return caught.value


def test_an_error_names_flow_scope_field_and_line(build, ops):
    def action(ops, builder, root, doc):
        doc["chunks"] = doc["content"].transform(ops.split)
        with doc["chunks"].row() as chunk:
            chunk["text"] = chunk["text"].transform(ops.shout)  # marked line

    error = fails(build, ops, action, DefinitionError, "field 'text' is a field of the row")
    with open(__file__) as source:
        line = next(
            number for number, text in enumerate(source, 1) if text.rstrip().endswith("# marked line")
        )
    place = (
        rf"\(flow Demo, scope documents\.chunks, field text, at {re.escape('test_flow_errors.py')}:{line}\)$"
    )
    assert re.search(place, str(error))
    assert "while defining flow Demo" in error.__notes__


def test_errors_of_user_code_keep_their_class_and_name_the_flow(build, ops):
    class Mine(Exception):
        pass

    def flow(builder, root):
        raise Mine("oops")

    with pytest.raises(Mine, match="oops") as caught:
        build(flow)
    assert caught.value.__notes__ == ["while defining flow Demo"]


# fields


def test_unknown_fields_list_what_there_is(build, ops):
    def row(ops, builder, root, doc):
        doc["contents"]

    def struct(ops, builder, root, doc):
        doc["author"]["nam"]

    error = fails(build, ops, row, KeyError, "no field 'contents'; fields are: filename, content, author")
    assert isinstance(error, UnknownNameError) and "scope documents" in str(error)
    fails(build, ops, struct, KeyError, r"documents\.author has no field 'nam'; its fields are: name, born")


def test_a_table_has_no_fields(build, ops):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        root["documents"]["content"]

    with pytest.raises(DefinitionError, match=r"use row\(\) and read 'content' from the row"):
        build(flow)


def test_scalars_and_json_have_no_fields(build, ops):
    def scalar(ops, builder, root, doc):
        doc["content"]["x"]

    def json(ops, builder, root, doc):
        doc["json"] = doc["content"].transform(ops.to_json)
        doc["json"]["x"]

    fails(build, ops, scalar, DefinitionError, "type Str and no field 'x': it is not a struct")
    fails(build, ops, json, DefinitionError, "extract the value with a function")


@pytest.mark.parametrize("name", ["filename", "content"])
def test_row_fields_cannot_be_overridden(build, ops, name):
    def action(ops, builder, root, doc):
        doc[name] = doc["author"]["name"]

    fails(build, ops, action, ValueError, f"field '{name}' is a field of the row and cannot be overridden")


def test_added_fields_cannot_be_overridden(build, ops):
    def action(ops, builder, root, doc):
        doc["a"] = doc["content"]
        doc["a"] = doc["content"]

    fails(build, ops, action, ValueError, "field 'a' exists already and cannot be overridden")


def test_a_field_has_a_legal_name(build, ops):
    def action(ops, builder, root, doc):
        doc["not legal"] = doc["content"]

    fails(
        build,
        ops,
        action,
        ValueError,
        r"invalid field name 'not legal'.*scope documents, at test_flow_errors",
    )


def test_a_field_holds_a_slice(build, ops):
    def action(ops, builder, root, doc):
        doc["a"] = "constant"

    fails(build, ops, action, TypeError, "a field holds a slice, got str; .*constants are arguments")


def test_slices_of_other_flows_are_refused(build, ops):
    kept = []

    def keep(ops, builder, root, doc):
        kept.append(doc["content"])

    build(in_row(keep)(ops))

    def assign(ops, builder, root, doc):
        doc["a"] = kept[0]

    def transform(ops, builder, root, doc):
        doc["content"].transform(ops.pair, kept[0])

    def collect(ops, builder, root, doc):
        root.add_collector().collect(a=kept[0])

    for action in (assign, transform, collect):
        fails(build, ops, action, ValueError, "belongs to flow Demo")


def test_a_deeper_value_cannot_be_a_field_further_out(build, ops):
    def action(ops, builder, root, doc):
        root["all"] = doc["content"]

    fails(
        build,
        ops,
        action,
        DefinitionError,
        r"belongs to the scope documents .* cannot be a field of \(root\)",
    )


def test_a_table_cannot_be_put_into_its_own_rows(build, ops):
    def directly(ops, builder, root, doc):
        doc["chunks"] = doc["content"].transform(ops.split)
        with doc["chunks"].row() as chunk:
            chunk["all"] = doc["chunks"]

    def mutually(ops, builder, root, doc):
        doc["a"] = doc["content"].transform(ops.split)
        doc["b"] = doc["content"].transform(ops.split)
        row_b = doc["b"].row()
        row_a = doc["a"].row()
        row_a["b"] = doc["b"]
        row_b["a"] = doc["a"]

    for action in (directly, mutually):
        fails(build, ops, action, DefinitionError, "into its own rows")


# scopes


def test_values_of_sibling_scopes_cannot_be_combined(build, ops):
    def transform(ops, builder, root, doc):
        doc["a"] = doc["content"].transform(ops.split)
        doc["b"] = doc["content"].transform(ops.split)
        with doc["a"].row() as a, doc["b"].row() as b:
            a["text"].transform(ops.pair, b["text"])

    def collect(ops, builder, root, doc):
        doc["a"] = doc["content"].transform(ops.split)
        doc["b"] = doc["content"].transform(ops.split)
        with doc["a"].row() as a, doc["b"].row() as b:
            root.add_collector().collect(x=a["text"], y=b["text"])

    def assign(ops, builder, root, doc):
        doc["a"] = doc["content"].transform(ops.split)
        doc["b"] = doc["content"].transform(ops.split)
        with doc["a"].row() as a, doc["b"].row() as b:
            a["other"] = b["text"]

    for action in (transform, collect):
        error = fails(build, ops, action, DefinitionError, "cannot combine values")
        assert "documents.a" in str(error) and "documents.b" in str(error)
    fails(
        build,
        ops,
        assign,
        DefinitionError,
        r"belongs to the scope documents\.b .* cannot be a field of documents\.a",
    )


def test_a_collector_of_a_row_takes_no_values_of_other_rows(build, ops):
    def action(ops, builder, root, doc):
        doc["a"] = doc["content"].transform(ops.split)
        doc["b"] = doc["content"].transform(ops.split)
        with doc["a"].row() as a, doc["b"].row() as b:
            a.add_collector().collect(x=b["text"])

    fails(build, ops, action, DefinitionError, "cannot combine values")


def test_a_closed_scope_cannot_be_used(build, ops):
    def flow(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            pass
        for use in (
            lambda: doc["content"],
            lambda: doc.add_collector(),
            lambda: doc.__setitem__("a", root["documents"]),
            lambda: doc.__enter__(),
        ):
            with pytest.raises(LifecycleError, match=r"scope is closed.*scope documents"):
                use()
        raise LifecycleError("end of test")

    with pytest.raises(RuntimeError, match="end of test"):
        build(flow)


def test_slices_of_a_closed_scope_cannot_be_used_outside(build, ops):
    def flow(builder, root, use):
        root["documents"] = builder.add_source(ops.Files())
        with root["documents"].row() as doc:
            text = doc["content"]
            chunks = text.transform(ops.split)
        use(root, text, chunks)

    uses = [
        lambda root, text, chunks: text.transform(ops.shout),
        lambda root, text, chunks: root.add_collector().collect(x=text),
        lambda root, text, chunks: chunks.row(),
    ]
    for use in uses:
        with pytest.raises(DefinitionError, match="the `with` block of its scope documents has ended"):
            build(lambda builder, root, use=use: flow(builder, root, use))


def test_an_exception_in_a_block_comes_through(build, ops):
    def action(ops, builder, root, doc):
        raise ZeroDivisionError

    fails(build, ops, action, ZeroDivisionError, None)


def test_nothing_works_after_the_flow_function_has_returned(build, ops):
    kept = []

    def action(ops, builder, root, doc):
        kept.extend([builder, root, doc["content"], root.add_collector()])

    build(in_row(action)(ops))
    builder, root, text, collector = kept
    for use in (
        lambda: builder.add_source(ops.Files()),
        lambda: builder.declare(ops.Label(name="x")),
        lambda: root["documents"],
        lambda: text.transform(ops.shout),
        lambda: text["x"],
        lambda: text.row(),
        lambda: collector.collect(x=1),
        lambda: collector.export("x", ops.Rows(), primary_key_fields=["x"]),
    ):
        with pytest.raises(LifecycleError, match="the definition of flow Demo is complete"):
            use()


# slices are not data


@pytest.mark.parametrize(
    "use",
    [
        bool,
        list,
        len,
        int,
        lambda text: text + "x",
        lambda text: "x" + text,
        lambda text: text == "x",
        lambda text: text != "x",
        lambda text: text < "x",
        lambda text: "x" in text,
        lambda text: f"{text}",
        lambda text: text(),
        lambda text: -text,
    ],
)
def test_a_slice_is_not_data(build, ops, use):
    def action(ops, builder, root, doc):
        use(doc["content"])

    fails(build, ops, action, TypeError, None)


def test_why_a_slice_is_not_data(build, ops):
    def action(ops, builder, root, doc):
        if doc["content"]:
            pass

    error = fails(
        build, ops, action, CallShapeError, "is a reference to data that exists only when the flow runs"
    )
    assert "<DataSlice documents.content: Str>" in str(error)


def test_slices_and_scopes_show_themselves(build, ops):
    shown = []

    def action(ops, builder, root, doc):
        shown.extend([repr(doc["author"]["born"]), repr(doc), repr(root.add_collector("c")), repr(builder)])
        shown.append(repr(doc["content"].transform(ops.shout)))

    build(in_row(action)(ops))
    assert shown == [
        "<DataSlice documents.author.born: Int64?>",
        "<DataScope documents: filename, content, author, editor, size, score>",
        "<DataCollector c of (root)>",
        "<FlowBuilder of flow Demo>",
        "<DataSlice documents.<Shout>: Str>",
    ]


# rows


def test_row_needs_a_table(build, ops):
    def action(ops, builder, root, doc):
        doc["content"].row()

    fails(
        build, ops, action, DefinitionError, r"row\(\) needs a table, but documents\.content has the type Str"
    )


@pytest.mark.parametrize("name", ["max_inflight_rows", "max_inflight_bytes"])
def test_limits_are_at_least_one(build, ops, name):
    def row(builder, root):
        builder.add_source(ops.Files()).row(**{name: 0})

    def source(builder, root):
        builder.add_source(ops.Files(), **{name: -1})

    def kind(builder, root):
        builder.add_source(ops.Files(), **{name: True})

    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0 .flow Demo"):
        build(row)
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got -1 .flow Demo"):
        build(source)
    with pytest.raises(TypeError, match=f"{name} must be an int or None, got bool"):
        build(kind)


def test_for_each_takes_a_function(build, ops):
    with pytest.raises(TypeError, match=r"for_each\(\) takes a function"):
        build(lambda builder, root: builder.add_source(ops.Files()).for_each("x"))


# sources


def test_sources_belong_to_the_top_level(build, ops):
    def inside(ops, builder, root, doc):
        builder.add_source(ops.Files())

    def assigned(ops, builder, root, doc):
        doc["again"] = root["documents"]

    fails(build, ops, inside, DefinitionError, r"inside the row\(\) block of documents")
    fails(build, ops, assigned, DefinitionError, "a source belongs to the root scope")


def test_a_sources_table_cannot_be_used_as_a_whole(build, ops):
    def transform(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        root["documents"].transform(ops.count)

    def collect(builder, root):
        root["documents"] = builder.add_source(ops.Files())
        root.add_collector().collect(all=root["documents"])

    for flow in (transform, collect):
        with pytest.raises(DefinitionError, match=r"whole table of source documents.*use row\(\)"):
            build(flow)


@pytest.mark.parametrize("interval", [datetime.timedelta(0), datetime.timedelta(seconds=-1)])
def test_the_refresh_interval_is_positive(build, ops, interval):
    with pytest.raises(ValueError, match="refresh_interval must be positive"):
        build(lambda builder, root: builder.add_source(ops.Files(), refresh_interval=interval))


def test_the_refresh_interval_is_a_timedelta(build, ops):
    with pytest.raises(TypeError, match=r"refresh_interval must be a datetime\.timedelta, got int"):
        build(lambda builder, root: builder.add_source(ops.Files(), refresh_interval=5))
    graph = build(
        lambda builder, root: builder.add_source(ops.Files(), refresh_interval=datetime.timedelta(minutes=1))
    )
    assert graph.sources[0].refresh_interval == datetime.timedelta(minutes=1)


def test_specs_have_the_right_category(build, ops):
    def expect(use, pattern):
        with pytest.raises(ValueError, match=pattern) as caught:
            build(use)
        assert "(flow Demo" in str(caught.value)

    expect(
        lambda builder, root: builder.add_source(ops.Repeat()),
        "takes a SourceSpec, got Repeat, which is a FunctionSpec",
    )
    expect(lambda builder, root: builder.add_source(ops.Files), r"got the class Files: write Files\(\.\.\.\)")
    expect(lambda builder, root: builder.add_source("docs"), "takes a SourceSpec, got str")
    expect(lambda builder, root: builder.add_source(int), "takes a SourceSpec, got the class int")
    expect(lambda builder, root: builder.declare(ops.Rows()), "takes a DeclarationSpec, got Rows")
    expect(lambda builder, root: builder.transform(ops.Rows(), "x"), "takes a FunctionSpec, got Rows")


# transforms


def test_transform_needs_a_registered_function(build, ops):
    def plain(text):  # with annotations it would do
        return text

    def expect(function, pattern):
        def action(ops, builder, root, doc):
            doc["content"].transform(function)

        fails(build, ops, action, ValueError, pattern)

    expect(plain, r"plain is not registered.*@coco\.op\.function\(\)")
    expect(lambda text: text, r"<lambda> is not registered.*@coco\.op\.function\(\)")
    expect(len, "len is not registered")
    expect(ops.RepeatExecutor, r"RepeatExecutor is the implementation of Repeat; pass its spec: Repeat\(")
    expect(ops.RepeatExecutor(), "RepeatExecutor is the implementation of Repeat")
    expect(ops.Repeat, r"got the class Repeat: write Repeat\(\.\.\.\)")
    expect("shout", "takes a FunctionSpec or a function decorated")
    expect(ops.op.EmptyFunctionSpec(), "pass the decorated function itself")


def test_the_function_comes_first(build, ops):
    def action(ops, builder, root, doc):
        builder.transform(doc["content"], ops.shout)

    fails(build, ops, action, ValueError, r"transform\(\) takes the function first")


def test_a_kind_without_an_implementation(build, ops):
    def action(ops, builder, root, doc):
        doc["content"].transform(ops.NobodyRuns())

    error = fails(build, ops, action, ValueError, "NobodyRuns")
    assert isinstance(error, KeyError)


def test_transform_needs_an_argument(build, ops):
    with pytest.raises(ValueError, match=r"transform\(Shout\) needs at least one argument"):
        build(lambda builder, root: builder.transform(ops.shout))


def test_slices_do_not_belong_into_specs(build, ops):
    def action(ops, builder, root, doc):
        doc["content"].transform(ops.Repeat(extra={"a": [doc["content"]]}))

    fails(build, ops, action, ValueError, r"Repeat\.extra\.a\.0 holds a slice.*pass it as an argument")


def test_what_is_no_value_cannot_be_an_argument(build, ops):
    from coco.flow.collectors import GeneratedField

    def expect(make, pattern):
        def action(ops, builder, root, doc):
            doc["content"].transform(ops.pair, make(builder, root, doc))

        fails(build, ops, action, TypeError, pattern)

    expect(lambda builder, root, doc: doc, r"pass one of its fields")
    expect(lambda builder, root, doc: GeneratedField.UUID, r"only in collect\(\)")
    expect(lambda builder, root, doc: root.add_collector(), "only slices and constants")


def test_binding_errors_say_where(build, ops):
    def too_many(ops, builder, root, doc):
        doc["content"].transform(ops.shout, "x")

    def unknown(ops, builder, root, doc):
        doc["content"].transform(ops.shout, loud=1)

    def missing(ops, builder, root, doc):
        doc["content"].transform(ops.pair)

    def mismatch(ops, builder, root, doc):
        doc["content"].transform(ops.half)

    def bad_constant(ops, builder, root, doc):
        doc["content"].transform(ops.split, "ten")

    for action, pattern in (
        (too_many, "Too many arguments passed in"),
        (unknown, "Unexpected keyword argument passed in"),
        (missing, "Missing arguments: right"),
        (mismatch, "number"),
        (bad_constant, "size"),
    ):
        error = fails(build, ops, action, ValueError, pattern)
        assert re.search(
            r"\(flow Demo, scope documents, step \w+, at test_flow_errors\.py:\d+\)$", str(error)
        )


def test_analyze_errors_are_definition_errors(build, ops):
    def action(ops, builder, root, doc):
        doc["content"].transform(ops.Broken())

    error = fails(build, ops, action, DefinitionError, "no model")
    assert "step Broken" in str(error)


# declarations


def test_conflicting_declarations(build, ops):
    def flow(builder, root):
        builder.declare(ops.Label(name="a"))
        builder.declare(ops.Label(name="a", note="other"))

    with pytest.raises(
        ValueError, match=r'Label "a" is declared differently in line \d+ .flow Demo, declaration Label'
    ):
        build(flow)


def test_flow_function_signature(build):
    with pytest.raises(ValueError, match=r"two positional arguments.*it is <lambda>\(builder\)"):
        build(lambda builder: None)
