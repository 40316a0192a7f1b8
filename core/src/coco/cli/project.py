"""The project that ``coco init`` writes."""

from __future__ import annotations

import keyword
import re

MAIN = '''"""Chunks of the files in docs/, embedded, in a table of {name}.db."""

import datetime

import coco


@coco.flow_def(name="{flow}")
def {function}(builder: coco.FlowBuilder, scope: coco.DataScope) -> None:
    scope["files"] = builder.add_source(
        coco.sources.LocalFile(path="docs", included_patterns=["**/*.md"]),
        refresh_interval=datetime.timedelta(seconds=5),  # how often `coco update -L` looks
    )
    chunks = scope.add_collector()
    with scope["files"].row() as file:
        file["chunks"] = file["content"].transform(
            coco.functions.SplitRecursively(), language="markdown", chunk_size=500, chunk_overlap=100
        )
        with file["chunks"].row() as chunk:
            # HashEmbed needs no model and knows shared words only; MiniLmEmbed() knows meaning.
            chunk["vector"] = chunk["text"].transform(coco.functions.HashEmbed(dimension=64))
            chunks.collect(
                file=file["filename"],
                location=chunk["location"],
                text=chunk["text"],
                vector=chunk["vector"],
            )
    chunks.export(
        "chunks", coco.targets.Sqlite(path="{name}.db"), primary_key_fields=["file", "location"]
    )
'''

SAMPLE = """# Welcome

Everything in this folder is cut into chunks, embedded, and kept in a table.

## Try it

Change this sentence and update again: one file is read, and only the chunks that changed are embedded.
Delete this file, and its rows go.
"""

IGNORED = """# State of coco: without it, everything is computed again.
.coco/
# What the flow writes
*.db
*.db-*
eval_*/
# Settings and secrets
.env
__pycache__/
"""

README = """# {name}

```sh
# dist: the folder of coco's wheels, which `make wheels` builds in a checkout of coco; they are on no package index yet
pip install --find-links dist coco-core coco-source-localfs coco-function-text coco-function-embed coco-target-sqlite
coco update --setup main.py     # makes the table on the first run, then does what changed
coco update --setup -L main.py  # keeps following the folder
coco show main.py               # what the flow does
coco plan main.py               # what an update would do
coco errors main.py             # which rows failed, and why
coco verify main.py             # whether the table holds what it should
coco drop --force main.py       # removes the table and the state
```

Run these in this folder: paths in `main.py` count from where you are.
"""


def project_files(name: str) -> dict[str, str]:
    """Path -> text. ``name``: of the project, any text; names in the code are made of its letters and digits."""
    words = re.findall(r"[a-z0-9]+", name.lower()) or ["docs"]
    function = "_".join(words)
    if function[0].isdigit() or keyword.iskeyword(function) or function == "coco":
        function = f"flow_{function}"
    flow = "".join(word.capitalize() for word in function.split("_"))
    values = {"name": "-".join(words), "flow": flow, "function": function}
    return {
        "main.py": _filled(MAIN, values),
        "docs/welcome.md": SAMPLE,
        ".gitignore": IGNORED,
        "README.md": _filled(README, values),
    }


def _filled(text: str, values: dict[str, str]) -> str:
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    return text
