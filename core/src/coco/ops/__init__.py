"""Operations: decorators, records, connector contracts, identity of code. Public names are in ``coco.op``."""
