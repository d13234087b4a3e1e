"""Which addresses are this machine, and the port a server has unless told otherwise."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

PORT_DEFAULT = 6745


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Return whether only this machine can be reached at, or can reach, a host name or address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
