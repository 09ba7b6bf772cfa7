"""How does a message reach people? (by Apprise: chat, pager, mail, webhook; a connection's extra `config` names them)

The provider's own `notify` drops Apprise's answer and passes over an address that Apprise does not understand; whether
the message arrived must be known here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from include.errors import RequestError, Unavailable

if TYPE_CHECKING:
    import apprise

WAITS_S = (2, 4, 8)
"""Pauses between the tries: a receiver that starts anew is back by then."""
PATIENCE_S = 20
"""No try begins later: Airflow ends a callback after 50 s (`dag_file_processor_timeout`)."""


def deliver(
    connection: str, title: str, body: str, *, is_failure: bool, heard: Callable[[], None] = lambda: None
) -> None:
    """The message, to each service that the connection names; `heard` is called once one of them has taken it.

    Raises Unavailable when one did not take it after several tries, RequestError when the connection names none, or
    one that Apprise does not understand (the others have got the message then).
    """
    services, misunderstood = _services(connection)
    began, silent = time.monotonic(), _notify(services, title, body, is_failure=is_failure)
    for wait in WAITS_S:
        if not silent or time.monotonic() + wait > began + PATIENCE_S:
            break
        time.sleep(wait)
        silent = _notify(silent, title, body, is_failure=is_failure)
    if len(silent) < len(services):
        heard()
    if silent:
        raise Unavailable(
            f"the message '{title}' was not delivered to {len(silent)} of {len(services)} services",
            where=f"connection {connection}",
            remedy="see whether the service is up; the use case's next run tells that it failed, or that it is over",
        )
    if misunderstood or not services:
        raise RequestError(
            f"no address that Apprise understands: {', '.join(misunderstood) or 'the list is empty'}",
            where=f"connection {connection}, extra `config`",
            remedy='write [{"path": "<address of the service, as Apprise has it>", "tag": "alerts"}]',
        )


def _notify(services: list[apprise.Apprise], title: str, body: str, *, is_failure: bool) -> list[apprise.Apprise]:
    """Those that did not take it."""
    from apprise import NotifyType

    kind = NotifyType.FAILURE if is_failure else NotifyType.SUCCESS
    return [service for service in services if not service.notify(title=title, body=body, notify_type=kind)]


def _services(connection: str) -> tuple[list[apprise.Apprise], list[str]]:
    """Each service by itself, so that a second try does not tell those that have heard; and the entries (by their
    number, for an address holds a password) that are no service."""
    import apprise
    from airflow.providers.apprise.hooks.apprise import AppriseHook

    hook = AppriseHook(apprise_conn_id=connection)
    config = hook.get_config_from_conn(hook.get_connection(connection))
    found, misunderstood = [], []
    for number, entry in enumerate(config if isinstance(config, list) else [config], 1):
        service = apprise.Apprise()
        if isinstance(entry, dict) and service.add(entry.get("path") or ""):
            found.append(service)
        else:
            misunderstood.append(f"entry {number}")
    return found, misunderstood
