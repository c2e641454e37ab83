"""Settings: documented in one table, handed on to children whole, and silent about secrets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from service.logs import redact
from service.settings import Settings

TABLE = Path(__file__).parents[2] / "docs" / "configuration.md"


def shown_default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return ""
    given = field.default
    text = given.get_secret_value() if isinstance(given, SecretStr) else str(given)
    return "" if text in ("", "None", "()") else f"`{text}`"


def test_the_table_is_the_settings() -> None:
    rows = re.findall(r"^\| `(LTFORGE_\w+)` \| (\S*) ?\| (.+) \|$", TABLE.read_text(), re.MULTILINE)

    assert {name: default for name, default, _ in rows} == {
        f"LTFORGE_{name.upper()}": shown_default(field)
        for name, field in Settings.model_fields.items()
    }


def test_children_read_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = Settings(
        data=tmp_path,
        metrics_token=SecretStr("s3cret"),
        cors_origins=("https://a.example", "https://b.example"),
        max_queued_jobs=3,
    )

    for name, value in given.to_environment().items():
        monkeypatch.setenv(name, value)

    assert Settings() == given
    assert "s3cret" not in repr(given)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("ltf_06f9z0kmh1y6b9v3s5n8x2w4pz_0123456789abcdef0123456789abcdef01234567", "0123456789"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw8q1vTn0hVxE=", "MfKQ9r8G"),
        ("could not reach postgresql+psycopg://ltforge:pass-word@postgres/ltforge", "pass-word"),
        ("redis://:pass-word@redis:6379/0", "pass-word"),
        ("Authorization: Bearer abcdefghijklmnop", "abcdefghij"),
    ],
)
def test_a2_secrets_never_reach_the_log(text: str, secret: str) -> None:
    shapes = [text, f"before {text} after", {"deep": [text]}, (text, 1)]

    for shape in shapes:
        assert secret not in str(redact(None, "info", {"event": shape, "exception": shape}))
    assert secret not in str(redact(None, "info", {"event": "x", "authorization": secret}))


def test_ordinary_entries_stay_as_they_are() -> None:
    entry = {"event": "request", "path": "/v1/jobs/job_01m8", "seconds": 0.1, "status": 200}

    assert redact(None, "info", dict(entry)) == entry
