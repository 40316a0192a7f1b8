"""The first signal ends in order, the second at once."""

from __future__ import annotations

import os
import signal

import pytest

from coco.cli import signals


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, signals.Terminated)]
)
def test_two_signals(number: int, error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_may_arm", False)  # a command in this process may have armed the kernel
    before = signal.getsignal(number)
    with signals.handled(signals.interrupt) as came:
        with pytest.raises(error):
            signal.raise_signal(number)
        assert came == [number]
        assert {signal.getsignal(other) for other in signals.SIGNALS} == {signal.SIG_DFL}, (
            "the next one ends all"
        )
    assert signal.getsignal(number) == before


def test_a_signal_inside_counts_outside_too() -> None:
    """Live mode handles signals itself, within a command that does."""
    before = signal.getsignal(signal.SIGTERM)
    with signals.handled(signals.interrupt) as outer:
        with signals.handled(lambda number: None) as inner:
            assert signal.getsignal(signal.SIGTERM) != before
        assert not outer, "nothing came: the outer one is in force again"
        with signals.handled(lambda number: None) as inner:
            signal.raise_signal(signal.SIGTERM)
        assert inner == outer == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == before


def test_leave_ends_the_process_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    signals.leave(3)
    assert codes == [3]
