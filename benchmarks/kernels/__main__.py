"""Prints the time per item of each case, compiled and from source, and the ratio."""

import importlib
import sys
import time
import timeit
from collections.abc import Callable
from typing import Any

from benchmarks.kernels.cases import CASES, Case
from benchmarks.summary import table
from coco.hot import _loader, compiled_kernels

SECONDS = 0.1
ROUNDS = 5


def main() -> int:
    compiled = compiled_kernels()
    lines = [["kernel", "function", "case", "compiled ns", "source ns", "ratio"]]
    for kernel in _loader.KERNELS:
        if kernel not in CASES:
            lines.append([kernel, "no cases", "-", "-", "-", "-"])
            continue
        fast: Any = importlib.import_module(f"coco.hot.{kernel}") if compiled[kernel] else None
        slow: Any = _loader.load_uncompiled_module(kernel)
        for case in CASES[kernel]():
            source = _nanoseconds(getattr(slow, case.function), case)
            built = None if fast is None else _nanoseconds(getattr(fast, case.function), case)
            lines.append(
                [
                    kernel,
                    case.function,
                    case.label,
                    "-" if built is None else f"{built:.1f}",
                    f"{source:.1f}",
                    "-" if built is None else f"{source / built:.2f}",
                ]
            )
    print("time per item; ratio: how many times faster the compiled form is\n" + table(lines))
    not_compiled = [name for name, done in compiled.items() if not done]
    if not_compiled:
        print(f"not compiled in this process: {', '.join(not_compiled)} (see `make` and COCO_PURE)")
    return 0


def _nanoseconds(function: Callable[..., Any], case: Case) -> float:
    """CPU time of the best of some rounds, per item."""
    timer = timeit.Timer(lambda: function(*case.arguments), timer=time.process_time)
    count, _ = timer.autorange()
    once = min(timer.repeat(3, max(1, count // 20))) / max(1, count // 20)
    number = max(1, int(SECONDS / max(once, 1e-9) / ROUNDS))
    return min(timer.repeat(ROUNDS, number)) / number / case.items * 1e9


if __name__ == "__main__":
    sys.exit(main())
