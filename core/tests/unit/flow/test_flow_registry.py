"""Flows as objects: registry, lazy building, delegation, query handlers."""

import asyncio
import threading

import pytest

import coco.flow as api
from coco.api.flow import Flow
from coco.errors import LifecycleError, UnknownNameError
from coco.query_handler import (
    QueryHandlerInfo,
    QueryHandlerResultFields,
    QueryInfo,
    QueryOutput,
    call_query_handler,
    call_query_handler_async,
    handler_info,
)
from coco.utils import get_target_default_name


def nothing(builder, root):
    pass


def test_every_public_name_exists():
    for name in api.__all__:
        assert getattr(api, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        api.nope  # noqa: B018


def test_flow_def_registers_without_running():
    ran = []

    @api.flow_def()
    def Lazy(builder, root):
        ran.append(1)

    @api.flow_def(name="Other")
    def whatever(builder, root):
        ran.append(2)

    assert isinstance(Lazy, Flow) and Lazy.name == "Lazy"
    assert api.flow_by_name("Other") is whatever
    assert api.flow_names()[-2:] == ["Lazy", "Other"]
    assert not ran and not Lazy.is_built
    assert Lazy.graph is Lazy.graph is Lazy.internal_flow() is asyncio.run(Lazy.internal_flow_async())
    assert ran == [1] and Lazy.is_built


def test_all_flows_are_built_in_the_order_of_registration():
    ran = []
    for name in ("Second", "First"):
        api.open_flow(name, lambda builder, root, name=name: ran.append(name))
    api.ensure_all_flows_built()
    assert ran == ["Second", "First"]
    asyncio.run(api.ensure_all_flows_built_async())
    assert ran == ["Second", "First"]
    assert all(flow.is_built for flow in api.flows().values())


def test_flows_is_a_copy():
    flow = api.open_flow("Mine", nothing)
    api.flows().clear()
    assert api.flow_by_name("Mine") is flow


def test_unknown_flow():
    api.open_flow("Known", nothing)
    with pytest.raises(KeyError, match=r"no flow named 'Unknown'; known flows: .*Known") as caught:
        api.flow_by_name("Unknown")
    assert isinstance(caught.value, UnknownNameError)


def test_names_are_unique_until_closed():
    first = api.open_flow("Twice", nothing)
    with pytest.raises(ValueError, match="'Twice' is registered already; close"):
        api.open_flow("Twice", nothing)
    first.close()
    second = api.open_flow("Twice", nothing)
    first.close()  # a no-op that leaves the other one alone
    assert api.flow_by_name("Twice") is second
    api.remove_flow(second)
    assert "Twice" not in api.flow_names()


def test_decorator_mistakes():
    with pytest.raises(TypeError, match="flow_def needs parentheses"):
        api.flow_def(nothing)
    with pytest.raises(ValueError, match=r"invalid flow name 'a\.b'"):
        api.flow_def("a.b")(nothing)
    with pytest.raises(TypeError, match="defined by a function, got int"):
        api.open_flow("x", 3)

    async def later(builder, root):
        pass

    def generator(builder, root):
        yield

    with pytest.raises(ValueError, match="flow function later is async"):
        api.flow_def()(later)
    with pytest.raises(ValueError, match="flow function generator is a generator"):
        api.flow_def()(generator)
    assert "later" not in api.flow_names()


def test_a_failed_build_can_be_repeated():
    outcomes = [ValueError("not yet"), None]

    def function(builder, root):
        outcome = outcomes.pop(0)
        if outcome:
            raise outcome

    flow = Flow("Retry", function)
    with pytest.raises(ValueError, match="not yet") as caught:
        flow.internal_flow()
    assert "while defining flow Retry" in caught.value.__notes__
    assert not flow.is_built
    assert flow.graph.name == "Retry"


def test_a_flow_cannot_need_itself():
    flow = Flow("Self", lambda builder, root: flow.internal_flow())
    with pytest.raises(LifecycleError, match="flow Self is needed by its own definition"):
        flow.internal_flow()


def test_threads_build_once():
    ran = []
    ready = threading.Barrier(4)

    def function(builder, root):
        ran.append(1)

    flow = Flow("Once", function)
    graphs = []

    def use():
        ready.wait(timeout=30)
        graphs.append(flow.graph)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ran) == 1 and len({id(graph) for graph in graphs}) == 1 and len(graphs) == 4


def test_full_names(recording):
    flow = Flow("Mine", nothing)
    assert get_target_default_name(Flow("Bare", nothing), "rows") == "Bare__rows"
    recording.own_namespace = "Staging"
    assert api.get_flow_full_name("Mine") == "Staging.Mine"
    assert (flow.name, flow.full_name, flow.graph.full_name) == ("Mine", "Staging.Mine", "Staging.Mine")
    recording.own_namespace = "Other"
    assert flow.full_name == "Staging.Mine"
    assert get_target_default_name(flow, "rows") == "Staging__Mine__rows"
    assert get_target_default_name(flow, "rows", "-") == "Staging-Mine-rows"


SETUP = {"report_to_stdout": False, "allow_destructive": False}
UPDATE = {"reexport_targets": False, "full_reprocess": False, "print_stats": False, "allow_deletes": False}


@pytest.mark.parametrize(
    ("method", "args", "kwargs", "passed"),
    [
        ("setup", (), {}, ((), SETUP)),
        ("setup", (True,), {}, ((), {**SETUP, "report_to_stdout": True})),
        ("setup", (), {"allow_destructive": True}, ((), {**SETUP, "allow_destructive": True})),
        ("drop", (True,), {}, ((), {"report_to_stdout": True})),
        ("errors", (), {}, ((), {})),
        ("retry", (), {"print_stats": True}, ((), {"print_stats": True})),
        ("plan", (), {}, ((), {"read": 1_000})),
        ("plan", (), {"read": 0}, ((), {"read": 0})),
        (
            "apply",
            ({"flow": "Mine"},),
            {},
            (({"flow": "Mine"},), {"print_stats": False, "allow_deletes": False}),
        ),
        ("verify", (), {"repair": True}, ((), {"repair": True, "sample": None})),
        ("evaluate", ("out",), {"use_cache": False}, ((api.EvaluateAndDumpOptions("out", False),), {})),
        ("status", (), {}, ((), {})),
        ("update", (), {}, ((), UPDATE)),
        ("update", (), {"reexport_targets": True}, ((), {**UPDATE, "reexport_targets": True})),
        (
            "update",
            (),
            {"full_reprocess": True, "allow_deletes": True},
            ((), {**UPDATE, "full_reprocess": True, "allow_deletes": True}),
        ),
        (
            "evaluate_and_dump",
            (api.EvaluateAndDumpOptions("out"),),
            {},
            ((api.EvaluateAndDumpOptions("out"),), {}),
        ),
    ],
)
@pytest.mark.parametrize("twin", ["", "_async"])
def test_flows_hand_on_to_operations(recording, method, args, kwargs, passed, twin):
    flow = Flow("Mine", nothing)
    result = getattr(flow, method + twin)(*args, **kwargs)
    if twin:
        result = asyncio.run(result)
    assert recording.calls == [(method, "Mine", *passed)]
    if method not in ("setup", "drop"):
        assert result == f"result of {method}"
    assert flow.is_built or method == "drop"


def test_evaluation_options():
    assert api.EvaluateAndDumpOptions("out").use_cache is True
    with pytest.raises(TypeError, match="must be a path"):
        api.EvaluateAndDumpOptions(3)
    with pytest.raises(TypeError, match="must not be empty"):
        api.EvaluateAndDumpOptions("")
    with pytest.raises(TypeError, match="takes EvaluateAndDumpOptions"):
        Flow("Mine", nothing).evaluate_and_dump("out")


def test_closing(recording):
    flow = api.open_flow("Mine", nothing)
    assert "defined" in repr(flow)
    flow.internal_flow()
    flow.close()
    flow.close()
    assert recording.calls == [("end_updaters", "Mine")]
    assert flow.is_closed and "closed" in repr(flow)
    for use in (
        flow.setup,
        flow.drop,
        flow.update,
        flow.internal_flow,
        flow.plan,
        flow.status,
        lambda: flow.evaluate_and_dump(api.EvaluateAndDumpOptions("out")),
        lambda: flow.add_query_handler("x", nothing),
        lambda: api.make_setup_bundle([flow]),
    ):
        with pytest.raises(LifecycleError, match="flow Mine is closed"):
            use()
    with pytest.raises(RuntimeError, match="flow Mine is closed"):
        asyncio.run(flow.update_async())


def test_the_name_is_free_even_if_closing_fails(recording):
    flow = api.open_flow("Mine", nothing)
    flow.internal_flow()

    def fail(flow):
        raise OSError("no")

    recording.end_updaters = fail
    with pytest.raises(OSError, match="no"):
        flow.close()
    assert "Mine" not in api.flow_names()


def test_all_flows(recording):
    api.open_flow("A", nothing)
    api.open_flow("B", nothing)
    api.setup_all_flows(report_to_stdout=True)
    asyncio.run(api.setup_all_flows_async(allow_destructive=True))
    api.drop_all_flows()
    asyncio.run(api.drop_all_flows_async(True))
    names = ["A", "B"]
    assert recording.calls == [
        ("setup", names, True, False),
        ("setup", names, False, True),
        ("drop", names, False, False),
        ("drop", names, True, False),
    ]


def test_bundles(recording):
    flow = Flow("A", nothing)
    assert api.make_setup_bundle([flow]).flows == ["A"]
    assert asyncio.run(api.make_drop_bundle_async(iter([flow]))).kind == "drop"
    with pytest.raises(TypeError, match="expected flows, got str"):
        api.make_drop_bundle(["A"])


# query handlers


def test_query_handlers():
    flow = Flow("Mine", nothing)
    fields = QueryHandlerResultFields(embedding=["v"], score="s")

    @flow.query_handler()
    def search(query: str, limit: int = 10) -> QueryOutput:
        return QueryOutput(results=[{"q": query, "n": limit}])

    @flow.query_handler("named", result_fields=fields)
    async def other() -> QueryOutput:
        return QueryOutput([], QueryInfo(embedding=[1.0]))

    flow.add_query_handler("third", lambda: 1)
    assert not flow.is_built
    assert list(flow.query_handlers) == ["search", "named", "third"]
    assert search("x").results == [{"q": "x", "n": 10}]
    handler = flow.query_handlers["named"]
    assert handler.is_async and handler_info(handler) == QueryHandlerInfo(fields)
    assert flow.query_handlers["search"].signature.parameters["limit"].annotation is int
    assert call_query_handler(flow, "search", {"query": "x", "limit": 2}).results == [{"q": "x", "n": 2}]
    assert call_query_handler(flow, "named", {}).query_info.embedding == [1.0]
    assert asyncio.run(call_query_handler_async(flow, "named", {})).results == []
    assert asyncio.run(call_query_handler_async(flow, "search", {"query": "y"})).query_info == QueryInfo()
    flow.internal_flow()
    flow.add_query_handler("late", search)
    assert "late" in flow.query_handlers


def test_query_handler_mistakes():
    flow = Flow("Mine", nothing)
    flow.add_query_handler("a", lambda query: [query])
    flow.add_query_handler("b", lambda: QueryOutput(results=()))
    flow.add_query_handler("c", lambda: 1 / 0)
    with pytest.raises(ValueError, match="flow Mine has a query handler named 'a' already"):
        flow.add_query_handler("a", print)
    with pytest.raises(ValueError, match="invalid query handler name"):
        flow.add_query_handler("not a name", print)
    with pytest.raises(TypeError, match="must be a function, got int"):
        flow.add_query_handler("d", 1)
    with pytest.raises(TypeError, match="query_handler needs parentheses"):
        flow.query_handler(print)
    with pytest.raises(ValueError, match=r"Mine\.a must return a QueryOutput, got list"):
        call_query_handler(flow, "a", {"query": "x"})
    with pytest.raises(ValueError, match="results must be a list, got tuple"):
        call_query_handler(flow, "b", {})
    with pytest.raises(ZeroDivisionError) as caught:
        call_query_handler(flow, "c", {})
    assert "in query handler Mine.c" in caught.value.__notes__
    with pytest.raises(TypeError, match=r"query handler Mine\.a\(query\): .*query"):
        call_query_handler(flow, "a", {})
    with pytest.raises(KeyError, match="no query handler named 'z'; there are: a, b, c"):
        asyncio.run(call_query_handler_async(flow, "z", {}))
