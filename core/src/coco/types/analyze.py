"""Re-exports the analysis of annotations and the conversion to engine schemas, for modules that need both."""

from coco.types.numpy_types import DtypeRegistry, extract_ndarray_elem_dtype, is_numpy_number_type
from coco.types.struct_types import (
    AnalyzedStructFieldInfo,
    is_namedtuple_type,
    is_pydantic_model,
    is_struct_type,
)
from coco.types.to_schema import (
    encode_enriched_type,
    encode_enriched_type_info,
    enriched_type_of,
    key_fields_of,
    struct_fields_of,
)
from coco.types.type_info import (
    AnalyzedAnyType,
    AnalyzedBasicType,
    AnalyzedDictType,
    AnalyzedListType,
    AnalyzedStructType,
    AnalyzedTypeInfo,
    AnalyzedTypeVariant,
    AnalyzedUnionType,
    AnalyzedUnknownType,
    analyze_type_info,
    resolve_forward_ref,
)

__all__ = [
    "AnalyzedAnyType",
    "AnalyzedBasicType",
    "AnalyzedDictType",
    "AnalyzedListType",
    "AnalyzedStructFieldInfo",
    "AnalyzedStructType",
    "AnalyzedTypeInfo",
    "AnalyzedTypeVariant",
    "AnalyzedUnionType",
    "AnalyzedUnknownType",
    "DtypeRegistry",
    "analyze_type_info",
    "encode_enriched_type",
    "encode_enriched_type_info",
    "enriched_type_of",
    "extract_ndarray_elem_dtype",
    "is_namedtuple_type",
    "is_numpy_number_type",
    "is_pydantic_model",
    "is_struct_type",
    "key_fields_of",
    "resolve_forward_ref",
    "struct_fields_of",
]
