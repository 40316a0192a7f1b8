"""The first signal ends in order, the second at once."""

from __future__ import annotations

import os
import signal

import pytest

from coco.cli import signals


@pytest.mark.parametrize(
    ("number", "error", "code"),
    [(signal.SIGINT, KeyboardInterrupt, 130), (signal.SIGTERM, signals.Terminated, 143)],
)
def test_two_signals(
    monkeypatch: pytest.MonkeyPatch, number: int, error: type[BaseException], code: int
) -> None:
    left: list[int] = []
    monkeypatch.setattr(signals, "leave", left.append)
    before = signal.getsignal(number)
    with signals.handled(signals.interrupt) as came:
        with pytest.raises(error):
            signal.raise_signal(number)
        assert (came, left) == ([number], [])
        with pytest.raises(error):
            signal.raise_signal(number)
        assert left == [code], "in a process this does not return"
    assert signal.getsignal(number) == before


def test_leave_is_hard(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    signals.leave(3)
    assert codes == [3]
