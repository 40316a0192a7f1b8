"""Ours against a script: what a module of this package gives, and how it is timed."""

import gc
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.targets.sample import Sample
from coco.index import IndexOptions

Load = Callable[[Sample, "Watch"], int]
"""Loads a sample into an empty place of its own; starts and stops the watch; returns how many rows are there."""


@dataclass(frozen=True)
class Contest:
    """One target, opened. by_hand: how -> script; ours is measured against the first of them.

    vectors: whether rows have vectors.
    """

    ours: Load
    by_hand: Mapping[str, Load]
    vectors: bool = True


class NotAvailableError(Exception):
    """A target that cannot be measured here; the message says what is missing."""


class Watch:
    """Seconds, and CPU seconds of this process, within ``running`` blocks.

    What was made before a block does not concern the garbage collector.
    """

    def __init__(self) -> None:
        self.seconds = self.cpu = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        gc.collect()
        gc.freeze()
        started, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - started
            self.cpu += time.process_time() - cpu
            gc.unfreeze()


class WrongRowsError(Exception):
    """A load that left more or fewer rows than it was given."""


def timed(load: Load, sample: Sample) -> Watch:
    """What one load takes. Raises ``WrongRowsError``."""
    watch = Watch()
    found = load(sample, watch)
    if found != sample.size:
        raise WrongRowsError(f"{found} rows are there, not {sample.size}")
    return watch


def fresh_name() -> str:
    """For a table, a collection or a label that nobody has used."""
    return f"bench_{uuid.uuid4().hex[:12]}"


def by_connector(connector: Any, make_spec: Callable[[str], Any]) -> Load:
    """The target by its connector's public methods, as the engine calls them, batch by batch."""

    def load(sample: Sample, watch: Watch) -> int:
        spec = make_spec(fresh_name())
        keys, values = sample.columns[0].key_fields, sample.columns[0].value_fields
        key = connector.get_persistent_key(spec, "bench")
        state = connector.get_setup_state(spec, keys, values, IndexOptions([item.name for item in keys]))
        connector.apply_setup_change(key, None, state)
        try:
            prepared = connector.prepare(spec, keys, values)
            try:
                with watch.running():
                    for batch in sample.columns:
                        connector.mutate_columns((prepared, batch))
                return int(connector.count_rows(prepared))
            finally:
                prepared.close()
        finally:
            connector.apply_setup_change(key, state, None)

    return load
