"""Text that users choose: bounded, and without anything that could forge a line."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

LARGEST_LABEL_COUNT = 16
LONGEST_LABEL_VALUE = 256
_LABEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}")


def plain_text(text: str) -> str:
    """Refuse what forges log lines and headers, and what a database cannot store."""
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise ValueError("control characters are not allowed; remove line breaks and the like")
    return text


def _label_name(text: str) -> str:
    if not _LABEL_NAME.fullmatch(text):
        raise ValueError(
            "a label's name has 1 to 63 letters, digits, '.', '_', '-' or '/', "
            "and begins with a letter or digit"
        )
    return text


def read_label(text: str) -> str:
    """Check a label given as `name=value`."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError("give a label as name=value")
    if len(value) > LONGEST_LABEL_VALUE:
        raise ValueError(f"a label's value has at most {LONGEST_LABEL_VALUE} characters")
    return f"{_label_name(name)}={plain_text(value)}"


Name = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(plain_text)]
PlainText = Annotated[str, StringConstraints(max_length=500), AfterValidator(plain_text)]
LabelName = Annotated[str, AfterValidator(_label_name)]
LabelValue = Annotated[
    str, StringConstraints(max_length=LONGEST_LABEL_VALUE), AfterValidator(plain_text)
]
Labels = Annotated[dict[LabelName, LabelValue], Field(max_length=LARGEST_LABEL_COUNT)]
