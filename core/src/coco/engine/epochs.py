"""Whether state and target belong together: both store the epoch of the last run that wrote.

Each run that writes stores a new epoch on both sides. A state that was restored from a backup, or copied with its
project, has an older epoch than the target; a target that was restored has an older one than the state. State stores a
new epoch as pending before the target gets it, and as confirmed afterwards. So if a run is killed in between, both
epochs count as correct.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import os

from msgspec import Struct

from coco.engine.exports import ExportRun
from coco.engine.targets import TargetPort
from coco.engine.threads import Threads
from coco.errors import StateStoreError
from coco.printable import printable
from coco.state.protocol import StateStore

LOG = logging.getLogger("coco")
CURSOR = "epoch"
"""Name of the cursor, per target id, in which state stores its epochs."""


class Epochs(Struct, frozen=True):
    """The epochs in state. ``confirmed``: the one that the target stored; ``pending``: one that it may have stored.

    ``doubt``: a mismatch that was found and not repaired since.
    """

    confirmed: str | None
    pending: str | None = None
    doubt: str = ""

    @classmethod
    def load(cls, store: StateStore, target_id: int) -> Epochs | None:
        data = store.get_cursor(target_id, CURSOR)
        return None if data is None else cls(*json.loads(data))

    def save(self, store: StateStore, target_id: int) -> None:
        data = json.dumps([self.confirmed, self.pending, self.doubt])
        store.put_cursor(target_id, CURSOR, data.encode())


class TargetEpoch:
    """The epoch of one export's target during one run."""

    def __init__(
        self, flow: str, export: ExportRun, port: TargetPort, store: StateStore, threads: Threads
    ) -> None:
        self._flow, self._export, self._port = flow, export, port
        self._store, self._threads = store, threads
        record = export.step.target
        self._read, self._write = record.method("read_epoch"), record.method("write_epoch")
        self._known: Epochs | None = None
        self._begun = False
        self._lock = asyncio.Lock()

    @property
    def kept(self) -> bool:
        """Whether the target can store an epoch. Targets with ``setup_by_user`` are not asked to."""
        return self._read is not None and self._write is not None and not self._export.step.setup_by_user

    async def compare(self) -> str:
        """A warning if the two sides do not belong together, or did not until now; usually empty.

        Raises what the target raises. Does not open a target for which state has no epoch yet.
        """
        known = await self._load() if self.kept else None
        if known is None:
            return ""
        self._known = await self._compared(known)
        return self._known.doubt

    async def renew(self) -> None:
        """Store a new epoch on both sides before the first row of a run. A failure to do so does not stop the run."""
        if not self.kept:
            return
        async with self._lock:
            if self._begun:
                return
            self._begun = True
            try:
                known = self._known or await self._load()
                if known is None:  # the target's epoch, if any, comes from another state
                    known = Epochs(await self._found())
                elif self._known is None:
                    known = await self._compared(known)
                await self._put(known, known.doubt)
            except StateStoreError:
                raise
            except Exception as error:  # writing the rows will report the reason
                LOG.debug("no epoch for target '%s' of flow '%s': %s", self._port.name, self._flow, error)

    async def settle(self) -> None:
        """Clear the mismatch after a complete comparison without differences. Raises what the target raises."""
        known = await self._load() if self.kept else None
        if known is not None and (known.doubt or await self._found() not in (known.confirmed, known.pending)):
            await self._put(known, "")

    async def _compared(self, known: Epochs) -> Epochs:
        """The epochs in state after a comparison with the target's epoch."""
        if known.doubt:
            return known
        found = await self._found()
        if found in (known.confirmed, known.pending):
            return Epochs(found)
        known = Epochs(known.confirmed, known.pending, self._mismatch(known, found))
        await self._save(known)
        LOG.warning("flow '%s': %s", self._flow, known.doubt)
        return known

    async def _put(self, known: Epochs, doubt: str) -> None:
        assert self._write is not None
        fresh = new_epoch()
        await self._save(Epochs(known.confirmed, fresh, doubt))
        await self._port.call("noting the run", self._write, await self._port.prepare(), self._flow, fresh)
        await self._save(Epochs(fresh, None, doubt))

    async def _found(self) -> str | None:
        assert self._read is not None
        prepared = await self._port.prepare()
        found = await self._port.call("reading which run wrote last", self._read, prepared, self._flow)
        return None if found is None else str(found)

    async def _load(self) -> Epochs | None:
        return await self._threads.store(Epochs.load, self._store, self._export.target_id)

    async def _save(self, epochs: Epochs) -> None:
        await self._threads.store(epochs.save, self._store, self._export.target_id)

    def _mismatch(self, known: Epochs, found: str | None) -> str:
        ours = f"the last run that the state knows is that of {_time(known.pending or known.confirmed)}"
        if found is None:
            cause = (
                f"{ours}, and the target has no record of it: it is an older copy, or was recreated by hand"
            )
        elif (known.pending or known.confirmed or "") < found:
            cause = (
                f"{ours}, and the target was written by a later one, of {_time(found)}: the state is older than the target (a "
                "restored backup, a copied project), or another state writes there too"
            )
        else:
            cause = f"{ours}, and the target ends with that of {_time(found)}: the target is an older copy"
        return (
            f"target '{self._port.name}' and the state do not belong together: {cause}. Rows may be missing, outdated or "
            "left over; run `coco verify --repair APP`, which compares all of them and ends this warning"
        )


def new_epoch() -> str:
    """The time, to show and compare, and random characters, so that no two are equal: 36 ASCII characters."""
    now = datetime.datetime.now(datetime.UTC)
    return f"{now:%Y-%m-%dT%H:%M:%S.%fZ}-{os.urandom(4).hex()}"


def _time(epoch: str | None) -> str:
    return (
        "an unknown time"
        if epoch is None
        else printable(epoch[:80].partition("Z-")[0].partition(".")[0]) + " UTC"
    )
