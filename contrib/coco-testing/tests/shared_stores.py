"""Stores in a file that do not expect anyone else, wrong in one way each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from msgspec import structs

from coco.state import Lease, SqliteStore


class LeasesInMemory(SqliteStore):
    def acquire_lease(self, flow: str, holder: str, seconds: float) -> Lease | None:
        leases = self.__dict__.setdefault("leases", {})
        lease = Lease(flow, holder, time.time() + seconds)
        known: Lease = leases.setdefault(flow, lease)
        return known if known.holder != holder and known.until > time.time() else None


class ReadsOnce(SqliteStore):
    def get_heads(self, source_id: int, keys: Sequence[bytes]) -> Any:
        known = self.__dict__.setdefault("known", {})
        return known.setdefault((source_id, *keys), super().get_heads(source_id, keys))


class BelievesAll(SqliteStore):
    def stage(self, source_id: int, rows: Any) -> list[bool]:
        heads = self.get_heads(source_id, [row.key for row in rows])
        current = {key: head.max_process_ordinal for key, head in heads.items()}
        return super().stage(
            source_id,
            [
                structs.replace(
                    row,
                    expected=current.get(row.key, -1),
                    process_ordinal=max(row.process_ordinal, current.get(row.key, 0) + 1),
                )
                for row in rows
            ],
        )


class LooksThenWrites(SqliteStore):
    def allocate_ids(self, count: int) -> list[int]:
        last = int(self.get_cursor(0, "ids") or 0)
        time.sleep(0.01)  # long enough for the other one
        self.put_cursor(0, "ids", str(last + count).encode())
        return list(range(last + 1, last + 1 + count))
