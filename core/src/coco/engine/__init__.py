"""The incremental engine: detect, read, evaluate, reconcile, stage, apply, commit.

Each stage is a function from one frozen record to the next; ``pipeline`` owns all concurrency. The four
ports (source, function executor, target, store) come in as arguments.
"""
