"""`yunying`: every command, its arguments and its exit status."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from backend.phantom.command import add_phantom_arguments
from backend.phantom.command import run as phantom
from backend.platform.errors import YunyingError
from backend.platform.processes import end_with_parent
from backend.platform.settings import Settings

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 0 all well, 1 part of it was refused, 2 it could not be done (the reason is printed)."""
    options = _parser().parse_args(arguments)
    if options.with_parent:
        end_with_parent(options.with_parent)
    try:
        return int(options.run(options))
    except YunyingError as error:
        print(error.text, file=sys.stderr)  # noqa: T201 - a command speaks to a person
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="yunying", description="云影：全省医学影像云")
    parser.add_argument("--with-parent", type=int, default=0, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(required=True, metavar="命令")

    def add(name: str, run: Command, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    for role, text in (
        ("serve", "网页、接口与影像流服务"),
        ("worker", "后台任务：派生影像流、发送通知"),
        ("dicom", "DICOM 节点：C-ECHO、C-STORE"),
    ):
        add(role, _role(role), text)
    add("check", _check, "列出全部设置及其含义，指出错误的设置")
    demo = add("demo", _demo, "在内置数据库上运行整个系统，附示例检查")
    demo.add_argument("--data", type=Path, default=Path("var/demo"))
    demo.add_argument("--port", type=int, default=8080)
    demo.add_argument("--samples", type=Path, help="自备的 DICOM 文件夹")
    upload = add("import", _import, "上传文件、文件夹或 DICOMDIR，可安全重复")
    upload.add_argument("paths", nargs="+", metavar="PATH")
    upload.add_argument("--server", required=True, metavar="URL")
    upload.add_argument("--token", required=True, help="机构上传凭证（yunying gateway-token）")
    token = add("gateway-token", _gateway_token, "签发机构的上传凭证，只显示一次")
    token.add_argument("institution", metavar="CODE")
    saved = add("dump", _dump, "把整个数据库导出为一个文件")
    saved.add_argument("file", type=Path)
    restored = add("restore", _restore, "从导出文件恢复整个数据库")
    restored.add_argument("file", type=Path)
    restored.add_argument("--replace", action="store_true", help="先清空目标数据库")
    audit = add("audit", _audit, "审计记录")
    audit.add_argument("action", choices=["verify", "export"])
    audit.add_argument("file", type=Path, nargs="?", help="导出到的文件（JSON 行）")
    keys = add("keys", _keys, "主密钥：rotate 启用新密钥，reseal 后台重新加密，status 查看")
    keys.add_argument("action", choices=["rotate", "reseal", "status"])
    keys.add_argument("--prepare", action="store_true", help="只生成，待分发到每台机器后再启用")
    add_phantom_arguments(add("phantom", phantom, "生成合成影像检查"))
    return parser


def _settings() -> Settings:
    settings = Settings.load()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return settings


def _role(name: str) -> Command:
    def run(_: argparse.Namespace) -> int:
        from backend import roles

        role: Callable[[Settings], Coroutine[Any, Any, None]] = getattr(roles, name)
        asyncio.run(role(_settings()))
        return 0

    return run


def _check(_: argparse.Namespace) -> int:
    for variable, value, meaning in Settings.load().describe():
        print(f"{variable}={value}\n    {meaning}")  # noqa: T201
    return 0


def _demo(options: argparse.Namespace) -> int:
    from backend.demo.run import run

    return run(options.data, options.port, options.samples)


def _import(options: argparse.Namespace) -> int:
    from backend.importer.command import run

    return run(options.paths, options.server, options.token)


def _gateway_token(options: argparse.Namespace) -> int:
    from backend import roles

    print(asyncio.run(roles.gateway_token(_settings(), options.institution)))  # noqa: T201
    return 0


def _dump(options: argparse.Namespace) -> int:
    from backend import roles

    for line in asyncio.run(roles.dump_database(_settings(), options.file)):
        print(line)  # noqa: T201
    return 0


def _restore(options: argparse.Namespace) -> int:
    from backend import roles

    for line in asyncio.run(roles.restore_database(_settings(), options.file, replace=options.replace)):
        print(line)  # noqa: T201
    return 0


def _audit(options: argparse.Namespace) -> int:
    from backend import roles

    if options.action == "verify":
        return _told(*asyncio.run(roles.verify_audit(_settings())))
    if options.file is None:
        return _told(False, ["请给出导出到的文件：yunying audit export FILE"])
    if options.file.exists():
        return _told(False, [f"{options.file} 已存在，不会覆盖，请换一个文件名。"])
    return _told(True, asyncio.run(roles.export_audit(_settings(), options.file)))


def _keys(options: argparse.Namespace) -> int:
    from backend import roles

    if options.action == "rotate":
        return _told(True, roles.rotate_keys(_settings(), prepare=options.prepare))
    if options.action == "reseal":
        return _told(True, asyncio.run(roles.reseal_fields(_settings())))
    return _told(*asyncio.run(roles.key_status(_settings())))


def _told(good: bool, lines: Sequence[str]) -> int:
    for line in lines:
        print(line)  # noqa: T201
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
