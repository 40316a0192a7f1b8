"""The target ``Qdrant``: its spec, and the connector that hands each question to the module that answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from coco import op
from coco.auth_registry import AuthEntryReference
from coco.index import IndexOptions
from coco.op import MutationColumns, TargetStateCompatibility
from coco.typing import FieldSchema
from coco_target_qdrant.address import QdrantConnection
from coco_target_qdrant.state import QdrantKey, QdrantState

if TYPE_CHECKING:
    from coco_target_qdrant.collection import Collection

__all__ = ["Qdrant", "QdrantConnection", "QdrantConnector"]


class Qdrant(op.TargetSpec):
    """A collection of a Qdrant server, a point for each row."""

    collection_name: str
    """Name of the collection."""
    connection: AuthEntryReference[QdrantConnection] | str | None = None
    """Auth entry of a ``QdrantConnection``, or its key. None: the server of ``QDRANT_URL`` and ``QDRANT_API_KEY``, or
    ``http://localhost:6334``."""
    payload_indexes: dict[str, str] | None = None
    """Field -> ``keyword``, ``integer``, ``float``, ``bool``, ``datetime``, ``uuid``, ``text`` or ``geo``. None: no indexes."""


@op.target_connector(spec_cls=Qdrant, persistent_key_type=QdrantKey, setup_state_cls=QdrantState)
class QdrantConnector:
    """Setup and rows of ``Qdrant``."""

    partial_update = True

    # -- definition -------------------------------------------------------------------------------
    @staticmethod
    def validate(
        spec: Qdrant,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
        index_options: IndexOptions,
        attachments: Sequence[Any],
    ) -> None:
        from coco_target_qdrant.validate import validate

        indexes = spec.payload_indexes or {}
        validate(spec.collection_name, spec.connection, indexes, key_fields, value_fields, index_options)

    @staticmethod
    def get_persistent_key(spec: Qdrant, target_name: str) -> QdrantKey:
        from coco_target_qdrant.validate import check_connection

        check_connection(spec.connection)
        given = spec.connection
        return QdrantKey(given.key if isinstance(given, AuthEntryReference) else given, spec.collection_name)

    @staticmethod
    def data_identity(spec: Qdrant) -> None:
        """Nothing in the spec alters rows."""

    @staticmethod
    def stored_form(
        spec: Qdrant, field: FieldSchema, index_options: IndexOptions
    ) -> Callable[[Any], Any] | None:
        from coco_target_qdrant.stored import stored_form

        return stored_form(field, index_options)

    # -- setup ------------------------------------------------------------------------------------
    @staticmethod
    def get_setup_state(
        spec: Qdrant,
        key_fields: Sequence[FieldSchema],
        value_fields: Sequence[FieldSchema],
        index_options: IndexOptions,
    ) -> QdrantState:
        from coco_target_qdrant.state import desired_state

        return desired_state(spec.payload_indexes or {}, key_fields, value_fields, index_options)

    @staticmethod
    def check_state_compatibility(desired: QdrantState, existing: QdrantState) -> TargetStateCompatibility:
        from coco_target_qdrant.state import compatibility

        return compatibility(desired, existing)

    @staticmethod
    def describe(key: QdrantKey) -> str:
        return key.title

    @staticmethod
    def describe_change(key: QdrantKey, previous: QdrantState | None, current: QdrantState) -> list[str]:
        from coco_target_qdrant.state import change_lines

        return change_lines(previous, current)

    @staticmethod
    def check_existing(key: QdrantKey, desired_state: QdrantState) -> op.Adoption | str | None:
        from coco_target_qdrant.existing import check_existing

        return check_existing(key, desired_state)

    @staticmethod
    def apply_setup_change(key: QdrantKey, previous: QdrantState | None, current: QdrantState | None) -> None:
        from coco_target_qdrant.setup import apply_change

        apply_change(key, previous, current)

    # -- rows -------------------------------------------------------------------------------------
    @staticmethod
    def prepare(
        spec: Qdrant, key_fields: Sequence[FieldSchema], value_fields: Sequence[FieldSchema]
    ) -> Collection:
        from coco_target_qdrant.collection import Collection

        return Collection(QdrantConnector.get_persistent_key(spec, ""), key_fields, value_fields)

    @staticmethod
    def mutate_columns(*batches: tuple[Collection, MutationColumns]) -> None:
        for collection, columns in batches:
            collection.mutate(columns)

    @staticmethod
    def count_rows(collection: Collection) -> int:
        return collection.count()

    @staticmethod
    def read_epoch(collection: Collection, flow: str) -> str | None:
        return collection.read_epoch(flow)

    @staticmethod
    def write_epoch(collection: Collection, flow: str, epoch: str) -> None:
        collection.write_epoch(flow, epoch)

    @staticmethod
    def list_keys(collection: Collection) -> Iterator[list[tuple[Any, ...]]]:
        return collection.list_keys()

    @staticmethod
    def read_rows(
        collection: Collection, keys: Sequence[tuple[Any, ...]]
    ) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        return collection.read_rows(keys)
