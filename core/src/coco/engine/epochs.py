"""Whether state and target belong together: both hold the mark of the last run that wrote, renewed by each.

A state that was restored from a backup, or copied with its project while the target stayed, holds an older mark than the
target; a target that was restored holds an older one than the state. State notes a new mark as pending before the target
gets it, and as confirmed after, so that a run that is killed in between leaves no doubt: either mark is right then.
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
"""Name of the cursor, by target id, under which state keeps its side."""


class Epochs(Struct, frozen=True):
    """State's side. ``confirmed``: the mark that the target got; ``pending``: one that it may have got meanwhile.

    ``doubt``: what was found wrong and not made good since.
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
    """The mark of one export's target during one run."""

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
        """Whether the target can hold a mark. What is the user's own is left alone."""
        return self._read is not None and self._write is not None and not self._export.step.setup_by_user

    async def compare(self) -> str:
        """What to warn of if the two sides do not belong together, or did not until now; usually nothing.

        Raises what the target raises. Opens no target for which state has no mark yet.
        """
        known = await self._load() if self.kept else None
        if known is None:
            return ""
        self._known = await self._compared(known)
        return self._known.doubt

    async def renew(self) -> None:
        """Before the first row of a run: a new mark for both sides. Without one the run goes on as well."""
        if not self.kept:
            return
        async with self._lock:
            if self._begun:
                return
            self._begun = True
            try:
                known = self._known or await self._load()
                if known is None:  # whatever there is was left by another state, or by none
                    known = Epochs(await self._found())
                elif self._known is None:
                    known = await self._compared(known)
                await self._put(known, known.doubt)
            except StateStoreError:
                raise
            except Exception as error:  # rows that cannot be written tell the reason
                LOG.debug("no mark for target '%s' of flow '%s': %s", self._port.name, self._flow, error)

    async def settle(self) -> None:
        """All of it was compared and is right: nothing is in doubt any more. Raises what the target raises."""
        known = await self._load() if self.kept else None
        if known is not None and (known.doubt or await self._found() not in (known.confirmed, known.pending)):
            await self._put(known, "")

    async def _compared(self, known: Epochs) -> Epochs:
        """What is known after a look at the target's mark."""
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
                f"{ours}, and the target holds no mark of it: it is an older copy, or was made anew by hand"
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
    """The time, for people and to tell which is older, and chance, so that no two are equal: 36 ASCII characters."""
    now = datetime.datetime.now(datetime.UTC)
    return f"{now:%Y-%m-%dT%H:%M:%S.%fZ}-{os.urandom(4).hex()}"


def _time(epoch: str | None) -> str:
    return (
        "an unknown time"
        if epoch is None
        else printable(epoch[:80].partition("Z-")[0].partition(".")[0]) + " UTC"
    )
