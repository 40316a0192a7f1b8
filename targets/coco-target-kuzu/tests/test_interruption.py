"""A query that takes too long is ended, and the graph can be used again."""

from __future__ import annotations

import threading

from kuzu_test_support import Export, Graph, field, write

from coco.errors import TargetError
from coco.kit.interruption import LimitedCall, current_call
from coco_kit_graph.mapping import Nodes


def test_a_query_that_takes_too_long_is_interrupted(graph: Graph) -> None:
    export = Export(graph, Nodes(label="Thing"), [field("name", "Str")], [field("n", "Int64")])
    Export.set_up_all([export])
    call = LimitedCall()
    ended: list[Exception] = []
    with export.opened() as place:

        def count() -> None:
            current_call.set(call)
            try:
                place.db.run(
                    "UNWIND range(1, 100000) AS a UNWIND range(1, 1000000) AS b RETURN sum(a * b % 7)"
                )
            except (TargetError, TimeoutError) as error:
                ended.append(error)

        thread = threading.Thread(target=count)
        thread.start()
        while thread.is_alive():
            call.interrupt()
            thread.join(0.05)
    assert len(ended) == 1
    write([(export, {("a",): (1,)}, [])])
