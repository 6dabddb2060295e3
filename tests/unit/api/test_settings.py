from __future__ import annotations

import pytest
from pydantic import ValidationError

from intent.settings import Settings


def test_every_field_has_a_description_and_a_valid_default() -> None:
    assert Settings() == Settings()
    assert all(field.description for field in Settings.model_fields.values())


def test_the_environment_is_read_with_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTENT_PORT", "9001")
    monkeypatch.setenv("INTENT_API_TOKEN", "a-token-long-enough")
    settings = Settings()
    assert settings.port == 9001
    assert settings.api_token is not None
    assert "a-token" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INTENT_PORT", "0"),
        ("INTENT_PORT", "70000"),
        ("INTENT_MAX_BODY_BYTES", "10"),
        ("INTENT_DEADLINE_S", "0"),
        ("INTENT_DEADLINE_S", "nan"),
        ("INTENT_QUEUE_TIMEOUT_S", "inf"),
        ("INTENT_LOG_LEVEL", "loud"),
        ("INTENT_API_TOKEN", ""),
        ("INTENT_API_TOKN", "a-token-long-enough"),
    ],
)
def test_a_value_out_of_range_or_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        Settings()


def test_a_token_in_a_refusal_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTENT_API_TOKEN", "tooshort-secret")
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert "tooshort-secret" not in str(caught.value)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1
