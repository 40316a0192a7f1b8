"""Listings that could only be made in part."""

from __future__ import annotations

from typing import Any

from coco_testing.source.base import SourceBase, World
from coco_testing.suite import check

MORE_INCOMPLETE_ABILITIES = ("incomplete_listings",)
HIDDEN, OPEN, LEAVING = ("hidden/b", "hidden/c"), "open/a", "open/d"
Key = tuple[Any, ...]


class IncompleteChecks(SourceBase, kit=True):
    """Partial listings."""

    @check("incomplete_listings")
    def test_incomplete_listing(self, world: World) -> None:
        """A part that cannot be listed is named by ``incomplete_prefixes``, and nothing else is; once, not for ever.

        A key that a complete listing lacks was deleted, and its rows leave the targets. The engine deletes nothing
        below a prefix, by the text of the key's first part. The world's ``hide`` must make the listing fail half way,
        as a lost permission does. If it fails: an error that is logged and passed over, or prefixes in another form
        than that of keys, such as whole paths.
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
            assert {keys[OPEN], keys["flat"]} <= listed, "what is not hidden is not listed either"
            for key in hidden - seen:
                assert self._is_below(key, prefixes), (
                    f"{key!r} is not listed, and would be deleted: {prefixes!r}"
                )
            assert not self._is_below(keys[LEAVING], prefixes), (
                f"{keys[LEAVING]!r} was deleted, but is protected by {prefixes!r}"
            )
        self._assert_complete(connector, set(keys.values()) - {keys[LEAVING]})

    def _assert_complete(self, connector: Any, keys: set[Key]) -> None:
        assert set(self.keys_of(self.listing(connector))) == keys
        prefixes = list(self.call(connector.incomplete_prefixes))
        assert not prefixes, f"a complete listing leaves {prefixes!r} incomplete"

    @staticmethod
    def _is_below(key: Key, prefixes: list[str]) -> bool:
        return isinstance(key[0], str) and any(key[0].startswith(prefix) for prefix in prefixes)
