"""The full-text index of posts on SQLite: an FTS5 table, and the triggers that keep it.

It has no text of its own but that of `library_posts.terms`. A migration that rebuilds that table
(Alembic's batch mode) drops its triggers: `restore_search_index` makes them again, and the index
with them. `migrate` calls it after every upgrade. PostgreSQL keeps its index by itself.
"""

from sqlalchemy import Connection

TABLE = "library_search"
_CREATE = (
    f"CREATE VIRTUAL TABLE IF NOT EXISTS {TABLE} USING fts5(terms, content='library_posts', "
    "content_rowid='number', tokenize='ascii', detail='none', columnsize=0, prefix='3')"
)
_ADD = f"INSERT INTO {TABLE}(rowid, terms) VALUES (new.number, new.terms);"
_REMOVE = f"INSERT INTO {TABLE}({TABLE}, rowid, terms) VALUES ('delete', old.number, old.terms);"
_TRIGGERS = {
    f"{TABLE}_insert": f"AFTER INSERT ON library_posts BEGIN {_ADD} END",
    f"{TABLE}_delete": f"AFTER DELETE ON library_posts BEGIN {_REMOVE} END",
    f"{TABLE}_update": f"AFTER UPDATE OF terms ON library_posts BEGIN {_REMOVE} {_ADD} END",
}


def restore_search_index(connection: Connection) -> bool:
    """Makes what is missing of the index, and indexes every post if a trigger was. Returns whether
    one was."""
    if connection.dialect.name != "sqlite":
        return False
    query = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'library_posts'"
    found = {row[0] for row in connection.exec_driver_sql(query)}
    missing = [name for name in _TRIGGERS if name not in found]
    if missing:
        connection.exec_driver_sql(_CREATE)
        for name in missing:
            connection.exec_driver_sql(f"CREATE TRIGGER {name} {_TRIGGERS[name]}")
        connection.exec_driver_sql(f"INSERT INTO {TABLE}({TABLE}) VALUES ('rebuild')")
    return bool(missing)
