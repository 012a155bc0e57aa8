"""Every setting of the product, typed, with its unit and reason; the only reader of the environment.

A value comes from `YUNYING_<NAME>` or from the TOML file that `YUNYING_CONFIG` names (key `<name>` in lower case); the environment wins.
A secret may be given as `YUNYING_<NAME>_FILE`, the path of a file that holds it. A wrong value is refused at start with name, value and remedy.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .errors import YunyingError

PREFIX = "YUNYING_"
ENVIRONMENTS = ("demo", "development", "production")


class SettingsError(YunyingError):
    """A setting is wrong; the text names it, its value and the remedy."""

    code = "settings"


def setting(
    default: Any, doc: str, *, low: float | None = None, high: float | None = None, secret: bool = False
) -> Any:
    """A documented field; numbers carry their bounds."""
    return field(default=default, metadata={"doc": doc, "low": low, "high": high, "secret": secret})


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective settings. Services receive the values that they need, never this whole object."""

    environment: str = setting("development", "demo, development or production; production refuses unsafe values")
    data: Path = setting(Path("var/data"), "folder for the embedded database, local objects, keys and spool files")
    public_url: str = setting(
        "", "address that people's links begin with, e.g. https://yun.example.cn; empty: from the request"
    )

    http_address: str = setting("127.0.0.1", "address that the web server binds")
    http_port: int = setting(8080, "port of the web server; 0: any free one", low=0, high=65535)
    trusted_proxies: str = setting("", "comma-separated addresses whose X-Forwarded-For and -Proto are believed")
    max_body_mb: int = setting(4096, "largest body of an upload in MiB (a STOW-RS request)", low=1, high=1_048_576)

    mongodb_uri: str = setting("", "MongoDB connection string; empty: the embedded database under data/db", secret=True)
    mongodb_name: str = setting("yunying", "name of the database")
    embedded_program: str = setting("", "program of the embedded database; empty: the one that set-up installed")

    objects: str = setting("", "object store: a folder, or s3://bucket/prefix; empty: data/objects")
    s3_endpoint: str = setting("", "endpoint of the S3 service, e.g. https://s3.example.cn; empty: the SDK's default")
    s3_region: str = setting("us-east-1", "region of the S3 service")
    s3_access_key: str = setting("", "access key of the S3 service", secret=True)
    s3_secret_key: str = setting("", "secret key of the S3 service", secret=True)

    master_key_file: Path = setting(
        Path(), "file with the 32-byte master key in hexadecimal; later keys beside it; empty: data/keys/master.key"
    )
    field_cipher: str = setting("aes-256-gcm", "aes-256-gcm or sm4-gcm: what seals personal fields from now on")
    audit_anchor: Path = setting(
        Path(), "folder for the heads of the audit chains, best on another machine; empty: data/audit-anchors"
    )
    audit_anchor_entries: int = setting(200, "audit entries after which a head is anchored", low=1, high=1_000_000)
    audit_anchor_seconds: int = setting(5, "seconds after which a head is anchored at the latest", low=1, high=3600)

    dicom_address: str = setting("127.0.0.1", "address that the DICOM node binds")
    dicom_port: int = setting(11112, "port of the DICOM node; 0: any free one", low=0, high=65535)
    dicom_ae_title: str = setting("YUNYING", "AE title of the DICOM node, at most 16 characters")
    dicom_tls_cert: str = setting("", "PEM certificate of the DICOM node; with dicom_tls_key it turns TLS on")
    dicom_tls_key: str = setting("", "PEM private key of the DICOM node")
    dicom_tls_ca: str = setting(
        "", "PEM authorities that peers' certificates must be signed by; empty: peers need none"
    )
    dicom_max_associations: int = setting(50, "associations at once", low=1, high=1000)

    max_instance_mb: int = setting(4096, "largest single DICOM instance in MiB", low=1, high=65536)
    render_threads: int = setting(0, "threads for pixel work; 0: one a core", low=0, high=256)
    render_queue: int = setting(
        256, "pixel jobs that may wait before new ones are refused with 503", low=1, high=100_000
    )
    frame_cache_mb: int = setting(512, "decoded frames kept in memory, MiB a process", low=16, high=1_048_576)
    worker_jobs: int = setting(2, "background jobs at once in a worker", low=1, high=256)

    sms: str = setting("outbox", "outbox (a file, for demo and development) or aliyun")
    outbox: Path = setting(
        Path(), "JSON-lines file of text messages that would have been sent; empty: data/outbox.jsonl"
    )
    sms_key_id: str = setting("", "access key id of the short message service, where sms is aliyun")
    sms_key_secret: str = setting("", "access key secret of the short message service", secret=True)
    sms_sign_name: str = setting("", "registered signature of the text messages")
    sms_templates: str = setting("", "registered template codes, e.g. sign-in-code=SMS_1,exam-ready=SMS_2")
    sms_endpoint: str = setting("https://dysmsapi.aliyuncs.com", "address of the short message service")

    code_minutes: int = setting(5, "minutes that a text message code lives", low=1, high=10)
    session_minutes: int = setting(120, "minutes that a patient's session lives", low=5, high=1440)
    staff_token_minutes: int = setting(600, "minutes that a member of staff's bearer token lives", low=5, high=10_080)
    ticket_seconds: int = setting(600, "seconds in which a viewing ticket opens a stream", low=10, high=3600)
    log_level: str = setting("INFO", "DEBUG, INFO, WARNING or ERROR")

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """The settings from the environment and the TOML file. Raises `SettingsError` at the first wrong one."""
        environ = os.environ if environ is None else environ
        given = _read_toml(environ)
        names = {f.name for f in fields(cls)}
        for name in given.keys() - names:
            raise SettingsError(f"配置文件中的 {name} 不是已知的设置项，请删除或改正拼写。")
        for f in fields(cls):
            variable = PREFIX + f.name.upper()
            if variable + "_FILE" in environ:
                given[f.name] = _read_secret(variable, environ[variable + "_FILE"])
            if variable in environ:
                given[f.name] = environ[variable]
        settings = cls(**{f.name: _parse(f, given[f.name]) for f in fields(cls) if f.name in given})
        settings._check()
        return settings

    @property
    def objects_location(self) -> str:
        """Folder or s3:// address of the object store."""
        return self.objects or str(self.data / "objects")

    @property
    def key_file(self) -> Path:
        """File of the master key."""
        return self.master_key_file if self.master_key_file.name else self.data / "keys" / "master.key"

    @property
    def anchor_folder(self) -> Path:
        """Folder of the audit chains' anchored heads."""
        return self.audit_anchor if self.audit_anchor.name else self.data / "audit-anchors"

    @property
    def outbox_file(self) -> Path:
        """File that text messages go to when `sms` is outbox."""
        return self.outbox if self.outbox.name else self.data / "outbox.jsonl"

    @property
    def sms_template_codes(self) -> dict[str, str]:
        """Our templates' names -> codes that the carrier registered."""
        pairs = (pair.partition("=") for pair in self.sms_templates.split(","))
        return {name.strip(): code.strip() for name, _, code in pairs if name.strip() and code.strip()}

    def describe(self) -> list[tuple[str, str, str]]:
        """(variable, effective value with secrets masked, meaning) of every setting."""
        rows = []
        for f in fields(self):
            value = str(getattr(self, f.name))
            rows.append(
                (
                    PREFIX + f.name.upper(),
                    "******" if f.metadata["secret"] and value else value,
                    f.metadata["doc"],
                )
            )
        return rows

    def _check(self) -> None:
        _one_of("environment", self.environment, ENVIRONMENTS)
        _one_of("sms", self.sms, ("outbox", "aliyun"))
        _one_of("field_cipher", self.field_cipher, ("aes-256-gcm", "sm4-gcm"))
        _one_of("log_level", self.log_level, ("DEBUG", "INFO", "WARNING", "ERROR"))
        if not 1 <= len(self.dicom_ae_title.strip()) <= 16:
            raise _wrong("dicom_ae_title", self.dicom_ae_title, "AE 标题应为 1 至 16 个字符")
        if bool(self.dicom_tls_cert) != bool(self.dicom_tls_key):
            raise _wrong("dicom_tls_cert", self.dicom_tls_cert, "证书与私钥（dicom_tls_key）必须同时给出")
        for name in ("dicom_tls_cert", "dicom_tls_key", "dicom_tls_ca"):
            path = getattr(self, name)
            if path and not Path(path).is_file():
                raise _wrong(name, path, "该文件不存在或不可读")
        if self.mongodb_uri and not self.mongodb_uri.startswith(("mongodb://", "mongodb+srv://")):
            raise _wrong("mongodb_uri", "******", "应以 mongodb:// 或 mongodb+srv:// 开头")
        if self.objects.startswith("s3:") and not urlsplit(self.objects).netloc:
            raise _wrong("objects", self.objects, "应写成 s3://桶名/前缀")
        if self.public_url and urlsplit(self.public_url).scheme not in ("http", "https"):
            raise _wrong("public_url", self.public_url, "应以 https:// 开头")
        if self.sms == "aliyun":
            self._check_sms()
        if self.environment == "production":
            self._check_production()

    def _check_sms(self) -> None:
        for name in ("sms_key_id", "sms_key_secret", "sms_sign_name", "sms_templates"):
            if not getattr(self, name):
                raise _wrong(name, "", "短信服务为 aliyun 时必须给出")
        if "sign-in-code" not in self.sms_template_codes:
            raise _wrong("sms_templates", self.sms_templates, "应写成 sign-in-code=模板代码，多个以逗号分隔")
        if not self.sms_endpoint.startswith("https://") and self.environment == "production":
            raise _wrong("sms_endpoint", self.sms_endpoint, "生产环境的短信服务地址应以 https:// 开头")

    def _check_production(self) -> None:
        if not self.mongodb_uri:
            raise _wrong("mongodb_uri", "", "生产环境必须连接 MongoDB 副本集，不能使用内置数据库")
        if self.sms == "outbox":
            raise _wrong("sms", self.sms, "生产环境必须使用真实短信服务（aliyun）")
        if not self.public_url.startswith("https://"):
            raise _wrong("public_url", self.public_url, "生产环境必须给出 https:// 开头的公开地址")
        if not self.master_key_file.name:
            raise _wrong("master_key_file", "", "生产环境的主密钥必须放在数据目录之外并单独备份")
        if not self.audit_anchor.name:
            raise _wrong("audit_anchor", "", "生产环境的审计锚点必须写到另一台机器的目录（挂载点）")


def child_environment(**values: object) -> dict[str, str]:
    """The environment for a process of ours: this one's, without settings that were meant for us, with `values` as settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return inherited | {PREFIX + name.upper(): str(value) for name, value in values.items()}


def _wrong(name: str, value: object, remedy: str) -> SettingsError:
    return SettingsError(f"设置 {PREFIX}{name.upper()}={value} 无效：{remedy}。")


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise _wrong(name, value, "可选值为 " + "、".join(choices))


def _read_toml(environ: Mapping[str, str]) -> dict[str, Any]:
    path = environ.get(PREFIX + "CONFIG")
    if not path:
        return {}
    try:
        with Path(path).open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"配置文件 {path} 无法读取：{error}。请检查路径与 TOML 语法。") from error


def _read_secret(variable: str, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise SettingsError(f"设置 {variable}_FILE={path} 无效：文件无法读取。请检查路径与权限。") from error


def _parse(f: Any, value: Any) -> Any:
    """`value` as the field's type, within its bounds."""
    if isinstance(f.default, Path):
        return Path(str(value)).expanduser()
    if isinstance(f.default, int):
        try:
            number = int(value)
        except (TypeError, ValueError):
            raise _wrong(f.name, value, "应为整数") from None
        low, high = f.metadata["low"], f.metadata["high"]
        if not low <= number <= high:
            raise _wrong(f.name, value, f"应在 {low} 与 {high} 之间")
        return number
    return str(value)
