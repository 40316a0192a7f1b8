"""Codecs between Python values and engine values."""

from coco.types.decode import (
    make_engine_key_decoder,
    make_engine_struct_decoder,
    make_engine_value_decoder,
)
from coco.types.encode import make_engine_key_encoder, make_engine_value_encoder

__all__ = [
    "make_engine_key_decoder",
    "make_engine_key_encoder",
    "make_engine_struct_decoder",
    "make_engine_value_decoder",
    "make_engine_value_encoder",
]
