"""What a source of files leaves out: every file that a graph is kept in."""

from __future__ import annotations

from pathlib import Path

from kuzu_test_support import graph_at

from coco_kit_graph.schema import GraphKey
from coco_target_kuzu.connection import open_database
from coco_target_kuzu.spec import KuzuConnector, KuzuDeclarationConnector


def test_all_files_of_a_graph_are_named(tmp_path: Path) -> None:
    graph = graph_at(tmp_path / "graph.db")
    key = GraphKey(graph, "node", "Word")
    named = KuzuConnector.local_paths(key)
    assert KuzuDeclarationConnector.local_paths(key) == named
    with open_database(graph) as connection:
        connection.execute("CREATE NODE TABLE Word(name STRING, PRIMARY KEY(name))")
        connection.execute("CREATE (:Word {name: 'a'})")
        while_open = {str(path) for path in tmp_path.iterdir()}
    assert len(while_open) > 1, "the log is a file of its own"
    assert while_open | {str(path) for path in tmp_path.iterdir()} <= set(named)
