"""Which service, and as whom: what the environment says, asked only where somebody wants that."""

from __future__ import annotations

import os

from ltforge.errors import LTForgeError

URL = "LTFORGE_URL"
API_KEY = "LTFORGE_API_KEY"
DEFAULT_URL = "http://127.0.0.1:8000"


def address_and_key() -> tuple[str, str]:
    """The service's address, by default that of ``ltforge serve``, and the API key.

    Raises:
        LTForgeError: there is no key.
    """
    api_key = os.environ.get(API_KEY, "")
    if not api_key:
        raise LTForgeError(
            "NO_API_KEY",
            f"{API_KEY} is not set; set it to the ltf_... text that ltforge serve printed once, or "
            f"that ltforge keys create makes (and {URL}, if the service is not at {DEFAULT_URL})",
        )
    return os.environ.get(URL) or DEFAULT_URL, api_key
