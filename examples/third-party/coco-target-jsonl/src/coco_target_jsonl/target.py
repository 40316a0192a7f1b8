"""Rows as JSON lines, sorted by key, in one file that is replaced as a whole."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from coco import op
from coco.errors import DefinitionError, DriftError
from coco.typing import FieldSchema


class Jsonl(op.TargetSpec):
    """path: of the file. Its folder is there already."""

    path: str


@op.target_connector(spec_cls=Jsonl, persistent_key_type=str)
class JsonlConnector:
    @staticmethod
    def get_persistent_key(spec: Jsonl, target_name: str) -> str:
        return spec.path

    @staticmethod
    def validate(spec: Jsonl, keys: list[FieldSchema], values: list[FieldSchema], *rest: Any) -> None:
        for field in (*keys, *values):
            if str(field.value_type).rstrip("?") not in ("Str", "Bool", "Int64", "Float64", "Json"):
                raise DefinitionError(f"{field.name}: a line of JSON cannot hold {field.value_type}")

    @staticmethod
    def apply_setup_change(key: str, previous: Jsonl | None, current: Jsonl | None) -> None:
        if current is None:
            for path in (key, f"{key}.lock"):
                Path(path).unlink(missing_ok=True)  # gone already is fine
        else:
            Path(key).touch()  # there already is fine

    @staticmethod
    def mutate(*batches: tuple[Jsonl, dict[Any, dict[str, Any] | None]]) -> None:
        for spec, changes in batches:
            with open(f"{spec.path}.lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # other threads and processes wait; a death sets them free
                rows = read_rows(spec.path) | changes  # None marks a deletion, also of what was never there
                kept = sorted(key for key, row in rows.items() if row is not None)
                with open(f"{spec.path}.new", "w", encoding="utf-8") as file:
                    file.writelines(json.dumps([key, rows[key]]) + "\n" for key in kept)
                    file.flush()
                    os.fsync(file.fileno())  # what mutate returns from must last
                os.replace(file.name, spec.path)  # the old file or the new one, never half of one


def read_rows(path: str) -> dict[Any, Any]:
    try:
        pairs = [json.loads(line) for line in Path(path).read_text("utf-8").split("\n") if line]
    except FileNotFoundError as error:
        raise DriftError(f"there is no file {path}") from error  # coco then offers to make it again
    return {tuple(key) if isinstance(key, list) else key: row for key, row in pairs}
