"""Databases for tests: made once with the newest schema, emptied after each test.

Making one takes a quarter of a second and emptying a few milliseconds; hundreds of
tests want one.  A database whose schema a test has changed is dropped.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from app.store import migrate

# What a test could change beside rows: relations, columns, constraints, triggers,
# functions, and settings of the database.
SCHEMA = """
select (select sum(hashtext(oid::text || relname)) from pg_class),
       (select count(*) from pg_attribute where attnum > 0 and not attisdropped),
       (select sum(oid::bigint) from pg_constraint),
       (select sum(hashtext(oid::text || tgenabled::text)) from pg_trigger),
       (select sum(hashtext(oid::text || prosrc)) from pg_proc where oid > 16384),
       (select count(*) from pg_db_role_setting)
"""
# Tables that hold something, or have held something in an earlier test.
USED = """
select c.oid::regclass::text, pg_relation_size(c.oid)
from pg_class c join pg_namespace n on n.oid = relnamespace
where relkind = 'r' and nspname not in ('pg_catalog', 'information_schema')
  and relname <> 'alembic_version' and pg_relation_size(c.oid) > 0
"""
RESTART = "select setval(seqrelid, 1, false) from pg_sequence"
MOST_BYTES = 4 << 20  # of rows: a database that held more is dropped


class Databases:
    """Databases of one server, lent to one test at a time."""

    def __init__(self, server_url: str) -> None:
        self.server_url = server_url
        self._template = f"onset_template_{secrets.token_hex(4)}"
        self._made: list[str] = []
        self._free: list[str] = []
        self.create(self._template)
        migrate.upgrade(self.url(self._template))
        with psycopg.connect(self.url(self._template)) as connection:
            self._schema = connection.execute(SCHEMA).fetchone()

    def close(self) -> None:
        """Drop all of them."""
        for name in [*self._made, self._template]:
            self.drop(name)

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Lend a database that has the newest schema and holds nothing; its URL."""
        name = self._free.pop() if self._free else self._make()
        yield self.url(name)
        if self._emptied(name):
            self._free.append(name)
        else:
            self._made.remove(name)
            self.drop(name)

    def create(self, name: str, template: str = "template1") -> None:
        """Make a database."""
        self._run("create database {} template {}", name, template)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self._run("drop database {} with (force)", name)

    def url(self, name: str) -> str:
        """Return the URL of a database."""
        return urlsplit(self.server_url)._replace(path=f"/{name}").geturl()

    def _make(self) -> str:
        name = f"onset_test_{secrets.token_hex(4)}"
        self.create(name, self._template)
        self._made.append(name)
        return name

    def _emptied(self, name: str) -> bool:
        """Bring a database back to what the template holds; False if that cannot be."""
        with psycopg.connect(self.server_url, autocommit=True) as server:
            server.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                " where datname = %s",
                [name],
            )
        with psycopg.connect(self.url(name)) as connection:
            if connection.execute(SCHEMA).fetchone() != self._schema:
                return False
            used = connection.execute(USED).fetchall()
            if sum(n_bytes for _, n_bytes in used) > MOST_BYTES:
                return False
            connection.execute("set local session_replication_role = replica")
            for table, _ in used:
                connection.execute(f"delete from {table}")
            connection.execute(RESTART)
        return True

    def _run(self, statement: str, *names: str) -> None:
        query = sql.SQL(statement).format(*map(sql.Identifier, names))
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(query)
