"""ETags of documents, and what If-Match and If-None-Match say about them (RFC 9110)."""

from __future__ import annotations

import hashlib
import re

from pydantic import BaseModel

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def document_tag(document: BaseModel) -> str:
    """The strong ETag of a document as it is sent."""
    return f'"{hashlib.sha256(document.model_dump_json().encode()).hexdigest()[:32]}"'


def names_tag(header: str | None, tag: str, *, weak: bool) -> bool:
    """Whether the header lists this tag, or anything (*); weak tags count where `weak`."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    return any(own == tag and (weak or not mark) for mark, own in _TAG.findall(header))
