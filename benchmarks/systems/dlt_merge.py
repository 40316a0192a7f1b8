"""dlt: the filesystem source, incremental by modification date, merged by file into Postgres."""

import os
from collections.abc import Iterator
from typing import Any

import dlt  # type: ignore[import-not-found]
from dlt.sources.filesystem import filesystem  # type: ignore[import-not-found]

from benchmarks.embedding import SALTS, embed
from benchmarks.systems.command import Command, read_command
from benchmarks.systems.floor_text import split


def main(command: Command) -> None:
    command.state.mkdir(parents=True, exist_ok=True)
    salt = SALTS[command.variant]

    @dlt.transformer(  # type: ignore[untyped-decorator]
        name="chunks",
        write_disposition="merge",
        merge_key="filename",
        primary_key=("filename", "start"),
        max_table_nesting=0,
        columns={"embedding": {"data_type": "json"}},
    )
    def chunks(items: list[Any]) -> Iterator[list[dict[str, Any]]]:
        for item in items:
            text = item.read_bytes().decode()
            name = item["relative_path"]
            yield [
                {
                    "filename": name,
                    "start": start,
                    "text": text[start:end],
                    "embedding": embed(text[start:end], salt),
                }
                for start, end in split(text)
            ]

    files = filesystem(
        bucket_url=command.corpus.absolute().as_uri(), file_glob="**/*.md", files_per_page=1000
    )
    files.apply_hints(incremental=dlt.sources.incremental("modification_date"))
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(command.state),
        destination=dlt.destinations.postgres(command.dsn),
        dataset_name="bench",
    )
    with command.engine():
        # A full refresh is the documented way to run changed code over old data.
        pipeline.run(files | chunks(), refresh="drop_sources" if command.variant == 2 else None)
    command.report()


if __name__ == "__main__":
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["DATA_WRITER__BUFFER_MAX_ITEMS"] = "20000"
    main(read_command())
