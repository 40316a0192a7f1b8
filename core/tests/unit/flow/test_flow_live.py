"""Live updaters: when which method may be called, and that all flows are updated whatever fails."""

import asyncio

import pytest

from coco.errors import LifecycleError
from coco.flow import (
    FlowLiveUpdater,
    FlowLiveUpdaterOptions,
    FlowUpdaterStatusUpdates,
    open_flow,
    update_all_flows,
    update_all_flows_async,
)


def nothing(builder, root):
    pass


@pytest.fixture
def flow():
    return open_flow("Mine", nothing)


def test_options_and_status():
    options = FlowLiveUpdaterOptions()
    assert (options.live_mode, options.reexport_targets, options.print_stats, options.full_reprocess) == (
        True,
        False,
        False,
        False,
    )
    assert FlowUpdaterStatusUpdates() == FlowUpdaterStatusUpdates(active_sources=[], updated_sources=[])


def test_the_life_cycle_of_an_updater(flow, recording):
    updater = FlowLiveUpdater(flow, FlowLiveUpdaterOptions(live_mode=False))
    assert recording.handles == []
    updater.start()
    (handle,) = recording.handles
    assert handle.graph is flow.graph and handle.options.live_mode is False
    assert updater.next_status_updates() == ("status", "Mine")
    assert updater.update_stats() == ("stats", "Mine")
    updater.wait()
    updater.wait()
    updater.abort()
    assert handle.calls == ["start", "wait", "wait", "abort"]


def test_nothing_but_start_before_the_start(flow, recording):
    updater = FlowLiveUpdater(flow)
    updater.abort()
    for use in (updater.wait, updater.next_status_updates, updater.update_stats):
        with pytest.raises(RuntimeError, match="Live updater is not started"):
            use()
    for use in (updater.wait_async, updater.next_status_updates_async):
        with pytest.raises(LifecycleError, match="Live updater is not started"):
            asyncio.run(use())
    assert recording.handles == []


def test_one_start(flow, recording):
    updater = FlowLiveUpdater(flow)
    updater.start()
    with pytest.raises(LifecycleError, match="started already"):
        updater.start()
    with pytest.raises(LifecycleError, match="started already"):
        asyncio.run(updater.start_async())
    assert len(recording.handles) == 1


@pytest.mark.parametrize("twin", [False, True])
def test_a_failed_start_may_be_repeated(flow, recording, monkeypatch, twin):
    updater = FlowLiveUpdater(flow)

    def start():
        return asyncio.run(updater.start_async()) if twin else updater.start()

    def failing(environment, graph, options):
        handle = recording.live(environment, graph, options)

        async def fail(here=False):
            raise ValueError("set it up")

        handle.begin = fail
        return handle

    monkeypatch.setattr("coco.operations.live.LiveUpdate", failing)
    with pytest.raises(ValueError, match="set it up"):
        start()
    with pytest.raises(LifecycleError, match="not started"):
        updater.wait()
    monkeypatch.setattr("coco.operations.live.LiveUpdate", recording.live)
    start()
    updater.wait()


def test_arguments(flow):
    with pytest.raises(TypeError, match="takes a flow, got str"):
        FlowLiveUpdater("Mine")
    with pytest.raises(TypeError, match="must be FlowLiveUpdaterOptions"):
        FlowLiveUpdater(flow, {"live_mode": True})


def test_a_closed_flow_cannot_be_followed(flow):
    updater = FlowLiveUpdater(flow)
    flow.close()
    with pytest.raises(LifecycleError, match="closed"):
        updater.start()


def test_leaving_a_block_aborts_and_waits(flow, recording):
    with FlowLiveUpdater(flow) as updater:
        assert isinstance(updater, FlowLiveUpdater)

    async def run():
        async with FlowLiveUpdater(flow) as updater:
            assert await updater.next_status_updates_async() == ("status", "Mine")

    asyncio.run(run())
    assert [handle.calls for handle in recording.handles] == [["start", "abort", "wait"]] * 2


@pytest.mark.parametrize("twin", [False, True])
def test_an_error_in_the_block_is_raised(flow, recording, twin):
    recording.live_errors["Mine"] = OSError("target is gone")

    def run():
        if not twin:
            with FlowLiveUpdater(flow):
                raise ZeroDivisionError("mine")

        async def run_async():
            async with FlowLiveUpdater(flow):
                raise ZeroDivisionError("mine")

        asyncio.run(run_async())

    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        run()
    assert caught.value.__notes__ == ["the live updater failed too: OSError: target is gone"]
    assert recording.handles[0].calls == ["start", "abort", "wait"]


@pytest.mark.parametrize("twin", [False, True])
def test_an_error_of_the_updater_is_raised_at_the_end(flow, recording, twin):
    recording.live_errors["Mine"] = OSError("target is gone")

    async def run_async():
        async with FlowLiveUpdater(flow):
            pass

    def run():
        with FlowLiveUpdater(flow):
            pass

    with pytest.raises(OSError, match="target is gone"):
        asyncio.run(run_async()) if twin else run()


def run_all(twin, options):
    return asyncio.run(update_all_flows_async(options)) if twin else update_all_flows(options)


@pytest.mark.parametrize("twin", [False, True])
def test_all_flows_are_updated(recording, twin):
    open_flow("A", nothing)
    open_flow("B", nothing)
    options = FlowLiveUpdaterOptions(live_mode=False)
    assert run_all(twin, options) == {"A": ("stats", "A"), "B": ("stats", "B")}
    assert [handle.calls for handle in recording.handles] == [["start", "wait"]] * 2
    assert all(handle.options is options for handle in recording.handles)


@pytest.mark.parametrize("twin", [False, True])
def test_one_failing_flow_does_not_stop_the_others(recording, twin):
    for name in ("A", "B", "C"):
        open_flow(name, nothing)
    recording.live_errors.update({"A": OSError("first"), "C": ValueError("second")})
    with pytest.raises(OSError, match="first") as caught:
        run_all(twin, None)
    assert caught.value.__notes__ == ["while updating flow A", "flow C failed too: ValueError: second"]
    assert [handle.calls for handle in recording.handles] == [["start", "wait"]] * 3


def test_an_interrupt_stops_all(recording):
    open_flow("A", nothing)
    open_flow("B", nothing)
    recording.live_errors["A"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        update_all_flows()
    assert [handle.calls for handle in recording.handles] == [["start", "wait", "abort"], ["start", "abort"]]
