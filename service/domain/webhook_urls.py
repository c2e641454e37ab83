"""Which URLs and which addresses a webhook may reach: nothing that is ours or our neighbours'."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

LONGEST_URL = 2048
_HTTPS_PORT = 443
_PLAIN = re.compile(r"[!-~]+")
_HOST = re.compile(r"(?=.{1,253}\.?$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
# A last label of digits, or 0x..., is read as an IPv4 address by many resolvers.
_NUMERIC_END = re.compile(r"(\d+|0[xX][0-9A-Fa-f]*)\.?")
_OWN_NAMES = ("localhost", "local", "internal", "home.arpa", "lan")
# Addresses of IPv6 that stand for one of IPv4 behind a translator.
_TRANSLATED = (
    ip_network("64:ff9b::/96"),
    ip_network("64:ff9b:1::/48"),
    ip_network("2002::/16"),
    ip_network("2001::/32"),
)


def why_not(url: str, *, development: bool) -> str | None:
    """Why a webhook may not be sent to this URL, in words for its owner; None if it may.

    Names are not resolved here: what they resolve to is checked whenever something is sent.
    """
    if not _PLAIN.fullmatch(url) or len(url) > LONGEST_URL or "\\" in url:
        return f"a URL has at most {LONGEST_URL} printable ASCII characters; encode the others"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as failure:
        return f"this is no URL: {failure}"
    if parts.scheme != "https" and not (development and parts.scheme == "http"):
        return "the URL must begin with https://"
    if "@" in parts.netloc:
        return "a URL with a user name or password is refused; the signature proves who sends"
    if parts.fragment:
        return "a fragment is never sent; remove it"
    if port not in (None, _HTTPS_PORT) and not development:
        return f"only port {_HTTPS_PORT} is reachable"
    return None if development else _why_not_host(host)


def _why_not_host(host: str) -> str | None:
    try:
        return None if is_public(ip_address(host)) else "the address is not a public one"
    except ValueError:
        pass
    if not _HOST.fullmatch(host):
        return "the URL has no valid host name"
    labels = host.rstrip(".").lower()
    if _NUMERIC_END.fullmatch(labels.rpartition(".")[2]):
        return "write an address as four decimal numbers, or use a name"
    if any(labels == own or labels.endswith(f".{own}") for own in _OWN_NAMES):
        return "the name belongs to a private network"
    return None


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one that anybody on the internet could reach."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.is_site_local or any(address in network for network in _TRANSLATED):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved
