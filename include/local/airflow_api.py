"""What does the laptop's Airflow answer over its REST API?"""

from __future__ import annotations

import json
import urllib.error
from typing import Any

from include.errors import Refused, Unavailable
from include.local.laptop import Laptop
from include.local.servers.airflow import PASSWORD, USER
from include.local.servers.server import request


class AirflowApi:
    """Logged in as the laptop's only user; the token is asked for at the first call."""

    def __init__(self, laptop: Laptop) -> None:
        self.url = laptop.url("airflow")
        self._token, self._log = "", laptop.log("airflow_api_server")

    def get(self, path: str, *, timeout: float = 30) -> Any:
        return self.call("GET", path, timeout=timeout)

    def call(self, method: str, path: str, body: Any = None, *, timeout: float = 30) -> Any:
        """The JSON of `/api/v2<path>`; raises ApiRefused with Airflow's own words, Unavailable without an answer."""
        try:
            self._token = self._token or self._log_in()
            return request(f"{self.url}/api/v2{path}", method=method, body=body, token=self._token, timeout=timeout)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            raise ApiRefused(error.code, f"{method} {path}; log: {self._log}", said) from None
        except OSError as error:
            raise Unavailable(
                f"Airflow does not answer ({type(error).__name__})",
                where=f"{method} {path}; log: {self._log}",
                remedy="read the log; `python -m include local up` starts what has died",
            ) from None

    def _log_in(self) -> str:
        answer = request(f"{self.url}/auth/token", method="POST", body={"username": USER, "password": PASSWORD})
        return str(answer["access_token"])


class ApiRefused(Refused):
    """Airflow answered with an error: `status` is the HTTP status, `said` its own words."""

    def __init__(self, status: int, call: str, said: str) -> None:
        self.status, self.said = status, _detail(said)
        super().__init__(f"Airflow answered {status}: {self.said}", where=call, remedy="read the log")


def _detail(said: str) -> str:
    try:
        return str(json.loads(said)["detail"])
    except (ValueError, KeyError, TypeError):
        return said[:300]
