"""One database for all that is captured here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.clients.sql_server import Session, connect
from include.connections import EnvironmentConnections, SqlServerSettings
from include.local.platform import Platform
from tests.include.extract.reading import DATABASE


@pytest.fixture(scope="package")
def settings(platform: Platform) -> SqlServerSettings:
    found = EnvironmentConnections(platform.environment()).sql_server("sse")
    with connect(found, "master") as session:
        session.execute(f"CREATE DATABASE {DATABASE}")
        session.execute(f"ALTER DATABASE {DATABASE} SET ALLOW_SNAPSHOT_ISOLATION ON")
        session.execute(f"ALTER DATABASE {DATABASE} SET CHANGE_TRACKING = ON")
        session.execute("CREATE DATABASE strict")
    with connect(found, DATABASE) as session:
        session.execute("EXEC sys.sp_cdc_enable_db")
    with connect(found, "strict") as session:
        session.execute("CREATE TABLE dbo.thing (id int NOT NULL PRIMARY KEY)")
    return found


@pytest.fixture
def session(settings: SqlServerSettings) -> Iterator[Session]:
    """The reader's."""
    with connect(settings, DATABASE) as session:
        yield session


@pytest.fixture
def writer(settings: SqlServerSettings) -> Iterator[Session]:
    with connect(settings, DATABASE) as session:
        yield session
