"""The example from Markdown to graph: what a page leaves when it goes, and that no history of edits shows."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

import coco
from coco_target_kuzu.connection import open_database

FOLDER = Path(__file__).resolve().parents[1]
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(FOLDER))  # as the command line does with the folder of an app
    from ask import answer
    from extract import Link, Mention, Relation, read_page
    from graphs import Graph, chosen, embedded
    from main import DOCS, docs_to_graph

Engine = Literal["kuzu", "ladybug"]
ENGINE = cast(Engine, os.environ.get("COCO_TEST_KUZU_ENGINE", "ladybug"))
numbers = itertools.count()

coco.flows()[
    "DocsToGraph"
].close()  # the one that `coco update main.py` runs: other tests look at all that are open


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    coco.stop()
    monkeypatch.setenv("COCO_STATE_URL", f"sqlite:///{tmp_path / 'state.db'}")
    monkeypatch.delenv("COCO_APP_NAMESPACE", raising=False)
    monkeypatch.delenv("NEO4J_URI", raising=False)
    yield
    for flow in list(coco.flows().values()):
        flow.close()
    coco.stop()


def made(root: Path) -> tuple[coco.Flow, Graph]:
    """A flow over a folder into a graph of its own, beside the folder."""
    number = next(numbers)
    graph = embedded(str(root.parent / f"graph-{number}"), ENGINE, name=f"example graph {number}")
    flow = docs_to_graph(f"Example{number}", str(root), graph)
    flow.setup()
    return flow, graph


ALL = (
    "MATCH (d:Document) RETURN d.filename, d.title, d.summary, d._coco",
    "MATCH (e:Entity) RETURN e.name, e._coco",
    "MATCH (a:Document)-[r:LINKS_TO]->(b:Document) RETURN a.filename, b.filename, r._coco",
    "MATCH (a:Document)-[r:MENTIONS]->(b:Entity) RETURN a.filename, b.name, r.times",
    "MATCH (a:Entity)-[r:RELATES_TO]->(b:Entity) RETURN r.filename, a.name, r.predicate, b.name",
)


def content(graph: Graph) -> list[list[tuple[Any, ...]]]:
    """All that is in a graph."""
    return [sorted(map(tuple, graph.query(query)), key=repr) for query in ALL]


def from_scratch(root: Path) -> list[list[tuple[Any, ...]]]:
    flow, graph = made(root)
    flow.update()
    return content(graph)


def names(graph: Graph) -> set[str]:
    return {row[0] for row in graph.query("MATCH (e:Entity) RETURN e.name")}


def documents(graph: Graph) -> dict[str, str | None]:
    """Titles by file; None for a page that others link to and nobody wrote."""
    return {row[0]: row[1] for row in graph.query("MATCH (d:Document) RETURN d.filename, d.title")}


def test_the_entities_of_a_page() -> None:
    page = read_page(
        "# On `alpha`\n\nSee [beta](../b.md#here), [it](https://c.d/x.md) and [this](a.md).\n\n"
        "`alpha` is called by `beta()` and `gamma`. `gamma` and `alpha` differ.\n\n```\n`not this`\n```\n",
        "sub/a.md",
    )
    assert (page.title, page.summary) == ("On alpha", "See beta, it and this.")
    assert page.mentions == [Mention("alpha", 3), Mention("beta", 1), Mention("gamma", 2)]
    assert page.relations == [Relation("alpha", "is called by", "beta")]
    assert page.links == [Link("b.md")]


def test_deleting_a_page_deletes_the_nodes_that_only_it_named(tmp_path: Path) -> None:
    root = tmp_path / "pages"
    root.mkdir()
    (root / "one.md").write_text("# One\n\nSee [two](two.md).\n\n`shared` needs `only_one`.\n")
    (root / "two.md").write_text("# Two\n\nOf `shared`, which `only_two` uses.\n")
    flow, graph = made(root)
    flow.update()
    assert names(graph) == {"shared", "only_one", "only_two"}
    assert answer(graph, None)[0] == "shared: in 2 documents, 2 times"
    assert answer(graph, "shared") == [
        "One (one.md): 1 times",
        "Two (two.md): 1 times",
        "shared needs only_one   (one.md)",
    ]

    (root / "two.md").unlink()
    flow.update()
    assert names(graph) == {"shared", "only_one"}
    assert documents(graph) == {"one.md": "One", "two.md": None}, "a page that others link to stays a stub"
    assert content(graph) == from_scratch(root)

    (root / "one.md").unlink()
    (root / "three.md").write_text("# Three\n\nAbout `shared`.\n")
    flow.update()
    assert names(graph) == {"shared"}
    assert documents(graph) == {"three.md": "Three"}
    assert content(graph) == from_scratch(root)


def test_coco_s_own_documentation(tmp_path: Path) -> None:
    root = tmp_path / "docs"
    shutil.copytree(DOCS, root)
    flow, graph = made(root)
    flow.update()
    assert set(documents(graph)) >= {"README.md", "architecture.md"}
    assert len(names(graph)) > 50
    assert not flow.update().total.has_any_change

    pages = sorted(root.rglob("*.md"))
    for page in pages[::3]:
        page.unlink()
    for page in pages[1::3]:
        page.write_text(page.read_text().replace("`", "", 40) + "\n\n`added` is new in `this_page`.\n")
    pages[2].rename(root / "moved.md")
    flow.update(allow_deletes=True)
    assert content(graph) == from_scratch(root)

    shutil.rmtree(root)
    root.mkdir()
    flow.update(allow_deletes=True)
    assert content(graph) == [[], [], [], [], []]


words = st.sampled_from(["a", "b", "c", "d"])
files = st.sampled_from(["a.md", "b.md", "sub/c.md"])
lines = st.one_of(
    st.tuples(words, st.sampled_from(["calls", "is part of"]), words).map(
        lambda t: f"`{t[0]}` {t[1]} `{t[2]}`."
    ),
    words.map(lambda word: f"Here is `{word}`."),
    files.map(lambda file: f"See [it]({file})."),
)
texts = st.lists(lines, max_size=4).map("\n\n".join)
edits = st.dictionaries(files, st.none() | texts, min_size=1)


@settings(
    max_examples=examples(6),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(edits, min_size=2, max_size=5))
def test_no_history_shows(tmp_path: Path, history: list[dict[str, str | None]]) -> None:
    root = tmp_path / f"run{next(numbers)}" / "pages"
    (root / "sub").mkdir(parents=True)
    flow, graph = made(root)
    with open_database(graph.connection):  # stays open, for speed
        for step in history:
            for file, text in step.items():
                if text is None:
                    (root / file).unlink(missing_ok=True)
                else:
                    (root / file).write_text(f"# Page\n\n{text}\n")
            flow.update(allow_deletes=True)
    assert content(graph) == from_scratch(root)
    assert flow.verify().ok


def test_the_same_flow_goes_to_neo4j(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("coco_target_neo4j", reason="coco-target-neo4j is not installed")
    monkeypatch.setenv("NEO4J_URI", "bolt://127.0.0.1:1")
    monkeypatch.setenv("NEO4J_PASSWORD", "secret word")
    graph = chosen()
    flow = docs_to_graph(f"Example{next(numbers)}", str(tmp_path), graph)
    specs = {export.name: export.spec for export in flow.graph.exports}
    assert set(specs) == {"documents", "links", "mentions", "relations"}
    assert {type(spec).__name__ for spec in specs.values()} == {"Neo4j"}
    assert "secret word" not in repr(specs)
