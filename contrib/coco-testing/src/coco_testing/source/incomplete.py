"""Incomplete listings."""

from __future__ import annotations

from typing import Any

from coco_testing.source.base import SourceBase, World
from coco_testing.suite import check

MORE_INCOMPLETE_ABILITIES = ("incomplete_listings",)
HIDDEN, OPEN, LEAVING = ("hidden/b", "hidden/c"), "open/a", "open/d"
Key = tuple[Any, ...]


class IncompleteChecks(SourceBase, kit=True):
    """Incomplete listings."""

    @check("incomplete_listings")
    def test_incomplete_listing(self, world: World) -> None:
        """``incomplete_prefixes`` names exactly the parts that the last listing could not read.

        If a complete listing lacks a key, the engine deletes its rows from the targets. The engine deletes no key whose first
        part starts with a named prefix. The world's ``hide`` must make a listing fail half way, as a lost permission
        does. If it fails: the connector logs an error and continues, keeps prefixes of an earlier listing, or returns
        prefixes that are not beginnings of keys, such as absolute paths.
        """
        hide = self.need(world, "hide")
        connector = self.connect()
        told = self.need(connector, "incomplete_prefixes")
        keys = {
            name: self.shape.encode_key(world.put(name, name)) for name in (*HIDDEN, OPEN, LEAVING, "flat")
        }
        self._assert_complete(connector, set(keys.values()))
        with hide(HIDDEN[0]):
            world.remove(LEAVING)
            listed = set(self.keys_of(self.listing(connector)))
            prefixes = list(self.call(told))
            hidden = {keys[name] for name in HIDDEN}
            seen = hidden & listed
            assert len(seen) < len(hidden), "world.hide hides nothing"
            assert {keys[OPEN], keys["flat"]} <= listed, "the listing lacks rows that are not hidden"
            for key in hidden - seen:
                assert self._is_below(key, prefixes), (
                    f"{key!r} is not listed and would be deleted; incomplete_prefixes are {prefixes!r}"
                )
            assert not self._is_below(keys[LEAVING], prefixes), (
                f"{keys[LEAVING]!r} was deleted, but incomplete_prefixes {prefixes!r} keep its rows"
            )
        self._assert_complete(connector, set(keys.values()) - {keys[LEAVING]})

    def _assert_complete(self, connector: Any, keys: set[Key]) -> None:
        assert set(self.keys_of(self.listing(connector))) == keys
        prefixes = list(self.call(connector.incomplete_prefixes))
        assert not prefixes, f"incomplete_prefixes are {prefixes!r} after a complete listing"

    @staticmethod
    def _is_below(key: Key, prefixes: list[str]) -> bool:
        return isinstance(key[0], str) and any(key[0].startswith(prefix) for prefix in prefixes)
