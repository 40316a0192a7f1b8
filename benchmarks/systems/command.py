"""The command line that all systems share. Standard library only."""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CHUNK_SIZE = 500


@dataclass
class Command:
    """What a system is asked to do, and how long its engine took."""

    corpus: Path
    dsn: str
    state: Path
    variant: int
    live: bool
    seconds: float = field(default=0.0)

    @contextmanager
    def engine(self) -> Iterator[None]:
        """Times what it surrounds: the update without imports, definitions and set-up."""
        start = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - start

    def report(self) -> None:
        print(json.dumps({"engine_s": self.seconds}), flush=True)


def read_command() -> Command:
    """The command from ``sys.argv``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--variant", type=int, choices=(1, 2), default=1)
    parser.add_argument("--live", action="store_true")
    given = parser.parse_args()
    return Command(given.corpus, given.dsn, given.state, given.variant, given.live)
