"""Engine values, their bytes, and plain data, as authors of plugins get at them."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest

from coco import op
from coco.auth_registry import AuthEntryReference
from coco.errors import DefinitionError, StoredValueError, ValueConversionError
from coco.kit.packed import pack, unpacker
from coco.kit.plain import from_plain, to_plain
from coco.kit.secrets import mask_url
from coco.kit.values import key_decoder, key_encoder, value_decoder, value_encoder
from coco.typing import BasicValueType, EnrichedValueType, FieldSchema, StructType

TEXT = EnrichedValueType(BasicValueType("Str"))
DATE = EnrichedValueType(BasicValueType("Date"))
NOTE = EnrichedValueType(StructType((FieldSchema("text", TEXT), FieldSchema("on", DATE.as_nullable()))))
DAY = datetime.date(2024, 2, 29)


@dataclasses.dataclass
class Note:
    text: str
    on: datetime.date | None


def test_values_survive_a_round_trip() -> None:
    encode = value_encoder(NOTE)
    value = encode({"text": "leap", "on": DAY})
    assert value == encode(Note("leap", DAY)) == ("leap", DAY.toordinal())
    assert value_decoder(NOTE)(value) == {"text": "leap", "on": DAY}
    assert value_decoder(NOTE, Note)(value) == Note("leap", DAY)
    assert unpacker(NOTE)(pack(value)) == value


def test_keys_survive_a_round_trip() -> None:
    one, two = [FieldSchema("day", DATE)], [FieldSchema("day", DATE), FieldSchema("name", TEXT)]
    assert key_encoder(one)(DAY) == (DAY.toordinal(),)
    assert key_decoder(one)(key_encoder(one)(DAY)) == DAY
    key: tuple[Any, ...] = key_encoder(two)((DAY, "a"))
    assert key_decoder(two)(key) == (DAY, "a")
    assert unpacker(two)(pack(key)) == key


def test_errors_name_the_place() -> None:
    with pytest.raises(ValueConversionError, match=r"note\.on"):
        value_encoder(NOTE, ["note"])({"text": "leap", "on": "tomorrow"})
    with pytest.raises(DefinitionError, match="when"):
        value_decoder(DATE, str, ["when"])
    with pytest.raises(StoredValueError, match="Date"):
        unpacker(DATE)(pack("tomorrow"))


class Shelf(op.TargetSpec):
    path: str
    login: AuthEntryReference[str]
    color: str | None = None


def test_plain_data_survives_a_round_trip() -> None:
    shelf = Shelf("a/b", AuthEntryReference("library"))
    data = to_plain(shelf)
    assert data == {"path": "a/b", "login": {"key": "library"}}
    assert from_plain(Shelf, data) == shelf
    with pytest.raises(StoredValueError, match="path"):
        from_plain(Shelf, {**data, "path": 1})


def test_masked_addresses() -> None:
    assert mask_url("postgres://ada:secret@db:5432/notes") == "postgres://ada:***@db:5432/notes"
