"""What readers make of JSON data is what was written, for all samples and in both forms."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coco.kit.iso_text import iso_pairs, span_in, span_out
from coco.kit.json_data import SCALARS, JsonForm, json_pair, same
from coco.kit.packed import pack
from coco.kit.values import value_encoder
from coco.typing import BasicValueType, VectorTypeSchema
from coco_testing.natural import natural_json, natural_numbers
from coco_testing.values import ALL_SAMPLES

FORMS = {
    "iso": JsonForm({**SCALARS, **iso_pairs(), "TimeDelta": (span_out, span_in)}),
    "spaced": JsonForm(
        {**SCALARS, **iso_pairs(separator=" ", timespec="microseconds"), "TimeDelta": (same, same)}
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", [name for name in ALL_SAMPLES if "MB" not in name])
def test_samples(name: str, form: str) -> None:
    samples = ALL_SAMPLES[name]
    encode = value_encoder(samples.type, ())
    write, _ = json_pair(samples.type.type, FORMS[form])
    for sample in (*samples.ordinary, *samples.limits):
        value = encode(sample)
        found: Any = natural_json(samples.type.type, json.loads(json.dumps(write(value))))
        assert pack(encode(found)) == pack(value), sample


def test_a_union_without_a_tag_is_its_value() -> None:
    union = ALL_SAMPLES["Union"].type.type
    assert natural_json(union, "1", tagged=False) == "1"
    assert natural_json(union, [0, 1]) == 1


def test_packed_numbers() -> None:
    for kind, data in (
        ("Float32", "0000803f"),
        ("Float64", "000000000000f03f"),
        ("Int64", "0100000000000000"),
    ):
        type_ = BasicValueType("Vector", vector=VectorTypeSchema(BasicValueType(kind)))
        assert natural_numbers(type_, bytes.fromhex(data)) == [1]
    assert natural_json(type_, "AQAAAAAAAAA=") == [1]
