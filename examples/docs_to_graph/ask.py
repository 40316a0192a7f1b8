"""``python ask.py``: what the pages share most. ``python ask.py NAME``: where an entity is named, and its relations.

Runs after ``coco update main.py``, with the same environment.
"""

import sys

from graphs import Graph, chosen

SHARED = (
    "MATCH (d:Document)-[m:MENTIONS]->(e:Entity) "
    "RETURN e.name, count(*) AS documents, sum(m.times) AS times ORDER BY documents DESC, times DESC, e.name LIMIT 10"
)
NAMED = (
    "MATCH (d:Document)-[m:MENTIONS]->(:Entity {name: $name}) "
    "RETURN d.title, d.filename, m.times ORDER BY m.times DESC, d.filename"
)
RELATED = (
    "MATCH (a:Entity)-[r:RELATES_TO]->(b:Entity) WHERE a.name = $name OR b.name = $name "
    "RETURN a.name, r.predicate, b.name, r.filename ORDER BY a.name, r.predicate, b.name"
)


def answer(graph: Graph, name: str | None) -> list[str]:
    """Lines to print."""
    if name is None:
        return [
            f"{entity}: in {documents} documents, {times} times"
            for entity, documents, times in graph.query(SHARED)
        ]
    lines = [
        f"{title} ({filename}): {times} times" for title, filename, times in graph.query(NAMED, name=name)
    ]
    lines += [
        f"{subject} {predicate} {object_}   ({filename})"
        for subject, predicate, object_, filename in graph.query(RELATED, name=name)
    ]
    return lines


if __name__ == "__main__":
    print("\n".join(answer(chosen(), sys.argv[1] if len(sys.argv) > 1 else None) or ["nothing"]))
