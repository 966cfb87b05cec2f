"""Sends calls with `requests`: for the console and for batch work. The panels bring Qt's own."""

from __future__ import annotations

from typing import Any, Protocol

import requests

from medssl.client.api import Call
from medssl.client.backend import ServerAddress
from medssl.core.errors import ResourceError

TIMEOUT_S = 60.0  # between two bytes; GET /devices imports torch in a child


class Transport(Protocol):
    """Sends a call and returns its parsed answer."""

    def send(self, call: Call) -> Any:
        """Send and wait.

        Raises:
            MedSSLError: what the server reported, or that it does not answer.
        """


class RequestsTransport:
    """A transport over one server. Proxies of the environment are not used: loopback must not go through them."""

    def __init__(self, address: ServerAddress, timeout_s: float = TIMEOUT_S) -> None:
        self.address, self._timeout_s = address, timeout_s
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {address.token}"

    def send(self, call: Call) -> Any:
        """Send and wait.

        Raises:
            MedSSLError: what the server reported.
            ResourceError: it does not answer.
        """
        url = self.address.url + call.path
        try:
            answer = self._session.request(
                call.method, url, headers=call.headers, data=call.body, timeout=self._timeout_s, allow_redirects=False
            )
        except requests.RequestException as error:
            raise ResourceError(
                f"backend at {self.address.url}",
                "does not answer",
                "Start it with `medssl serve`",
                code="backend-silent",
            ) from error
        return call.parse(answer.status_code, answer.content)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
