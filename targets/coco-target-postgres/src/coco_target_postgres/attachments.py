"""SQL of the user's own, bound to a table's life."""

from __future__ import annotations

import psycopg

from coco import op
from coco.errors import TargetError
from coco_target_postgres.faults import server_message
from coco_target_postgres.state import PostgresKey

SHOWN_CHARS = 300


class PostgresSqlCommand(op.TargetAttachmentSpec):
    """SQL that runs when the table is set up, and when the table is dropped or the attachment removed."""

    name: str
    """Identifies the attachment within its target."""
    setup_sql: str
    """One or several statements. They run after the table is made, and again whenever this text changes, so they must be
    repeatable (``IF NOT EXISTS``)."""
    teardown_sql: str | None = None
    """Statements that setup stores. They run before the table is dropped, or when the attachment is removed from the flow.
    None: nothing runs then."""


@op.attachment_connector(spec_cls=PostgresSqlCommand, target_kinds=["Postgres"])
class PostgresSqlCommandConnector:
    """Runs the statements in the table's database."""

    @staticmethod
    def apply(target_key: PostgresKey, spec: PostgresSqlCommand) -> None:
        _run(target_key, spec.name, spec.setup_sql)

    @staticmethod
    def teardown(target_key: PostgresKey, saved_spec: PostgresSqlCommand) -> None:
        if saved_spec.teardown_sql:
            _run(target_key, saved_spec.name, saved_spec.teardown_sql)

    @staticmethod
    def needs_apply(old: PostgresSqlCommand, new: PostgresSqlCommand) -> bool:
        """A changed ``teardown_sql`` alone is only saved."""
        return old.setup_sql != new.setup_sql


def _run(key: PostgresKey, name: str, sql: str) -> None:
    from coco_target_postgres.setup import setup_connection

    with setup_connection(key, f"attachment '{name}' cannot reach") as connection:
        try:
            connection.execute(sql.encode())
        except psycopg.Error as error:
            raise TargetError(
                f"attachment '{name}' of {key.title} failed: {server_message(error)}; statement: {_failed(sql, error)}"
            ) from error


def _failed(sql: str, error: psycopg.Error) -> str:
    """The statement that failed, as far as the server says where; else the beginning of the text."""
    position = error.diag.statement_position
    text = sql.strip()
    if position is not None and position.isdigit():
        at = int(position) - 1
        start = sql.rfind(";", 0, at) + 1
        end = sql.find(";", at)
        text = sql[start : end if end >= 0 else len(sql)].strip()
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."
