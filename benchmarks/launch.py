"""Starts one program and reports what it took, from a process that is itself small.

A child's peak memory, as the kernel reports it, counts that of the process it was started from. So the measured
programs are started by this one, which loads next to nothing, and not by the runner, which holds whole tables.

``python -I -S launch.py REPORT PROGRAM ARGUMENT...``
"""

import os
import sys
import time


def main() -> None:
    report, program = sys.argv[1], sys.argv[2:]
    start = time.perf_counter()
    pid = os.posix_spawn(program[0], program, os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    with open(report, "w") as file:
        file.write(f"{code} {wall} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}")


if __name__ == "__main__":
    main()
