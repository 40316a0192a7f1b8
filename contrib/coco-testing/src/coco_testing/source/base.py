"""The world of a source (the place that it reads), and helpers of all parts of the source suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import pytest

from coco.harness import operation
from coco.kit.packed import pack
from coco.op import NON_EXISTENCE, PartialSourceRow, PartialSourceRowData, SourceReadOptions
from coco_testing.rows import Shape, assert_same_rows
from coco_testing.suite import Suite, check

EVERYTHING = SourceReadOptions(include_ordinal=True, include_content_version_fp=True, include_value=True)
FACTS = SourceReadOptions(include_ordinal=True, include_content_version_fp=True, include_value=False)


class World(Protocol):
    """The place that a source reads. ``spec`` names the place, which is empty at the start of each test.

    May have ``hide(name)``, for ``incomplete_listings``: a context manager that hides the folder of the row ``name``
    (the text before the last ``/``) from listings. The rest can still be listed.
    """

    spec: Any

    def put(self, name: str, text: str) -> Any:
        """Create or change the row for ``name``, with a value made from ``text``. Returns its key in natural form."""

    def remove(self, name: str) -> None:
        """Delete the row for ``name``."""

    def value(self, text: str) -> dict[str, Any]:
        """The value fields of a row after ``put(name, text)``, in natural form, computed without the source."""

    def missing_key(self) -> Any:
        """A key, in natural form, that no row ever had."""


class SourceBase(Suite, kit=True):
    """The fixture that a subclass gives, and helpers of the checks."""

    open_names: ClassVar[frozenset[str]] = frozenset({"world"})

    @pytest.fixture
    def world(self) -> World:
        """Must give: a world, another place for each test."""
        raise NotImplementedError("define the fixture `world`")

    # -- how the engine does it -------------------------------------------------------------------
    @pytest.fixture(autouse=True)
    def _source(self, world: World, _session: None) -> None:
        self.world_now = world
        self.record: Any = operation(world.spec)
        self.shape = Shape(
            tuple(self.record.key_fields(world.spec)), tuple(self.record.value_fields(world.spec))
        )
        self._encode_key = self.record.key_encoder(world.spec)
        self._decode_key = self.record.key_decoder(world.spec)
        self._encode_value = self.record.value_encoder(world.spec)

    def connect(self) -> Any:
        """A new connector, as for a new run."""
        return self._runner.run(self.record.create(self.world_now.spec))

    def listing(self, connector: Any, options: SourceReadOptions = FACTS) -> list[PartialSourceRow[Any, Any]]:
        """The rows that ``list`` returns."""
        found = self._with_options(connector.list, "list", options)
        return [*found] if not hasattr(found, "__aiter__") else self._gathered(found)

    def _gathered(self, stream: Any) -> list[Any]:
        async def gather() -> list[Any]:
            return [item async for item in stream]

        return self._runner.run(gather())

    def _with_options(self, method: Callable[..., Any], name: str, options: Any, *args: Any) -> Any:
        wants = self.record.wants_options.get(name, True)
        return self.call(method, *args, *((options,) if wants else ()))

    def get(
        self, connector: Any, key: Any, options: SourceReadOptions = EVERYTHING
    ) -> PartialSourceRowData[Any]:
        """The result of ``get_value`` for a key in natural form."""
        native = self._decode_key(self.shape.encode_key(key))
        found = self._with_options(connector.get_value, "get_value", options, native)
        assert isinstance(found, PartialSourceRowData), f"get_value returned a {type(found).__name__}"
        return found

    def keys_of(self, rows: Sequence[PartialSourceRow[Any, Any]]) -> list[tuple[Any, ...]]:
        """Keys of listed rows as engine values."""
        return [self._encode_key(item.key) for item in rows]

    def assert_value(self, data: PartialSourceRowData[Any], text: str) -> None:
        """Assert that the data holds the value of a row after ``put(name, text)``."""
        assert data.value is not None and data.value is not NON_EXISTENCE, (
            f"expected a value, got {data.value!r}"
        )
        found = self._encode_value(data.value)
        assert_same_rows(
            {(0,): found}, {(0,): self.shape.encode_row(self.world_now.value(text))}, self.shape.value_fields
        )

    # -- the world itself -------------------------------------------------------------------------
    @check()
    def test_world_is_independent(self, world: World) -> None:
        """The world is empty at first, and different texts and names give different values and keys."""
        assert self.listing(self.connect()) == []
        first, second = self.shape.encode_row(world.value("one")), self.shape.encode_row(world.value("two"))
        assert pack(first) != pack(second), "world.value returns the same for different texts"
        assert world.put("a", "one") != world.put("b", "one"), (
            "world.put returns the same key for different names"
        )
