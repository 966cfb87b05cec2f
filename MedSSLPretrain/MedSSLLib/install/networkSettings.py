"""Proxy, certificates and what pip is set to, as the variables with which packages are installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from medssl.core.errors import InputError

PROXY = re.compile(r"(https?|socks5h?)://([^@/\s]+@)?[^@:/\s]+(:\d+)?/?")
PROXY_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
FROM_PIP = {  # uv reads no pip.conf, and a hospital's mirror stands there
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "cert": "SSL_CERT_FILE",
    "proxy": "HTTPS_PROXY",
}
PEM = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class NetworkSettings:
    """What the user entered; "" leaves it to the system."""

    proxy: str = ""
    certificate: str = ""

    def check(self) -> None:
        """Raises InputError where one of them cannot be used."""
        if self.proxy and not PROXY.fullmatch(self.proxy):
            raise InputError(
                withoutPassword(self.proxy), _("is not the address of a proxy"), _("Write http://name:port")
            )
        if not self.certificate:
            return
        path = Path(self.certificate)
        if not path.is_file():
            raise InputError(
                path, _("is not a file"), _("Choose the certificate of your organisation, a .pem or .crt file")
            )
        if PEM not in path.read_bytes():
            remedy = _(
                "Export it as Base-64 (PEM), or leave the field empty: the system's certificates are trusted anyway"
            )
            raise InputError(path, _("holds no certificate in PEM form"), remedy)

    def variables(self) -> dict[str, str]:
        """What pip, uv and Python understand."""
        found = {}
        for name in PROXY_VARIABLES if self.proxy else ():
            found[name] = found[name.lower()] = self.proxy
        for name in CERTIFICATE_VARIABLES if self.certificate else ():
            found[name] = self.certificate
        return found


def forUv(base: Mapping[str, str], pip: Mapping[str, str]) -> dict[str, str]:
    """Variables that tell uv what pip is set to, and to trust the system's certificates; those already set stay.

    Args:
        base: the environment of the installing programs.
        pip: as `Machine.pip`.
    """
    found = {ours: pip[theirs] for theirs, ours in FROM_PIP.items() if theirs in pip and not base.get(ours)}
    if "UV_FIND_LINKS" in found:
        found["UV_FIND_LINKS"] = ",".join(found["UV_FIND_LINKS"].split())  # uv divides this one by commas
    if "HTTPS_PROXY" in found and base.get("https_proxy"):
        del found["HTTPS_PROXY"]
    if "UV_INDEX" in found and not base.get("UV_INDEX_STRATEGY"):
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip does with several indexes
    if not (base.get("SSL_CERT_FILE") or found.get("SSL_CERT_FILE")):
        found["UV_SYSTEM_CERTS"] = "true"
    return found


def withoutPassword(proxy: str) -> str:
    """A proxy's address as it may be kept and shown."""
    return re.sub(r"//[^@/\s]*@", "//", proxy)
