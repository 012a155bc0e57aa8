"""Settings: typed, bounded, and a wrong one is refused with its name, its value and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.platform.settings import Settings, SettingsError


def test_defaults_are_usable() -> None:
    settings = Settings.load({})
    assert settings.http_port == 8080
    assert settings.objects_location == "var/data/objects"
    assert settings.key_file == Path("var/data/keys/master.key")


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "yunying.toml"
    config.write_text('http_port = 9000\ndicom_ae_title = "LIAONING"\n')
    settings = Settings.load({"YUNYING_CONFIG": str(config), "YUNYING_HTTP_PORT": "9100"})
    assert (settings.http_port, settings.dicom_ae_title) == (9100, "LIAONING")


def test_a_secret_comes_from_a_file_and_is_masked(tmp_path: Path) -> None:
    secret = tmp_path / "uri"
    secret.write_text("mongodb://user:word@db/\n")
    settings = Settings.load({"YUNYING_MONGODB_URI_FILE": str(secret)})
    assert settings.mongodb_uri == "mongodb://user:word@db/"
    assert "word" not in str(settings.describe())


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("HTTP_PORT", "eighty", "整数"),
        ("HTTP_PORT", "70000", "65535"),
        ("ENVIRONMENT", "live", "production"),
        ("MONGODB_URI", "http://db", "mongodb://"),
        ("DICOM_AE_TITLE", "A" * 17, "16"),
        ("DICOM_TLS_CERT", "/nowhere.pem", "私钥"),
        ("OBJECTS", "s3://", "桶名"),
        ("PUBLIC_URL", "ftp://x", "https://"),
        ("FIELD_CIPHER", "rot13", "sm4-gcm"),
    ],
)
def test_a_wrong_value_is_refused_by_name_with_the_remedy(variable: str, value: str, remedy: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.load({f"YUNYING_{variable}": value})
    assert f"YUNYING_{variable}" in refusal.value.text
    assert remedy in refusal.value.text


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "yunying.toml"
    config.write_text("htp_port = 9000\n")
    with pytest.raises(SettingsError, match="htp_port"):
        Settings.load({"YUNYING_CONFIG": str(config)})


@pytest.mark.parametrize(
    "missing",
    ["MONGODB_URI", "SMS", "PUBLIC_URL", "MASTER_KEY_FILE", "AUDIT_ANCHOR", "SMS_KEY_SECRET", "SMS_TEMPLATES"],
    ids=lambda name: f"without {name}",
)
def test_production_refuses_what_is_unsafe(missing: str) -> None:
    good = {
        "YUNYING_ENVIRONMENT": "production",
        "YUNYING_MONGODB_URI": "mongodb://db/?replicaSet=rs",
        "YUNYING_SMS": "aliyun",
        "YUNYING_SMS_KEY_ID": "key",
        "YUNYING_SMS_KEY_SECRET": "secret",
        "YUNYING_SMS_SIGN_NAME": "云影",
        "YUNYING_SMS_TEMPLATES": "sign-in-code=SMS_1",
        "YUNYING_PUBLIC_URL": "https://yun.example.cn",
        "YUNYING_MASTER_KEY_FILE": "/run/secrets/master.key",
        "YUNYING_AUDIT_ANCHOR": "/mnt/anchors",
    }
    Settings.load(good)
    del good[f"YUNYING_{missing}"]
    with pytest.raises(SettingsError, match=missing):
        Settings.load(good)


def test_every_setting_is_documented() -> None:
    assert all(meaning for _, _, meaning in Settings().describe())
