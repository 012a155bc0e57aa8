"""The shell of the patient's pages and the page that tells an error. Neither holds anything about a person."""

from __future__ import annotations

import html
import json
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado.web import RequestHandler

from backend.platform.errors import Unavailable

_ENTRY = "src/portal/main.ts"
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='8' "
    "fill='%230a6a8a'/%3E%3Cpath d='M9 21a5 5 0 0 1 1-9.9 7 7 0 0 1 13 2.4A4 4 0 0 1 23 21z' fill='%23fff'/%3E%3C/svg%3E"
)
_RETURN = re.compile(r"/(exam|viewer)/[a-z0-9]{10,40}")
_ERROR_STYLE = """
:root{color-scheme:light dark;--paper:#f4f7f9;--card:#fff;--ink:#16242e;--dim:#52646f;--accent:#0b6e8f;--line:#d9e2e8}
@media(prefers-color-scheme:dark){:root{--paper:#0f171c;--card:#18232a;--ink:#e6eef2;--dim:#9fb1bb;--accent:#57b8d6;--line:#2b3a43}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px 16px;background:var(--paper);color:var(--ink);
font:18px/1.6 system-ui,-apple-system,"PingFang SC","Noto Sans SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif}
main{width:100%;max-width:480px;padding:28px 24px;background:var(--card);border:1px solid var(--line);border-radius:16px}
h1{margin:0 0 12px;font-size:24px;line-height:1.3}
p{margin:0 0 20px;overflow-wrap:anywhere}
a{display:block;padding:12px;border-radius:12px;background:var(--accent);color:var(--card);font-weight:600;text-align:center;text-decoration:none}
small{display:block;margin-top:20px;color:var(--dim);font-size:14px}
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """Addresses of the build's files."""

    script: str
    styles: tuple[str, ...]


class NotBuilt(Unavailable):
    """The front ends were not built."""

    code = "pages-not-built"
    default_text = "页面尚未构建。请在项目目录执行 npm ci 与 npm run build 后重试。"


class Page:
    """Makes documents; reads the build's manifest again when it was built anew."""

    def __init__(self, static: Path) -> None:
        """`static` is the folder that the front ends were built into."""
        self._manifest = static / ".vite" / "manifest.json"
        self._stamp, self._entry = 0, Entry("", ())

    def _built(self) -> Entry:
        try:
            stamp = self._manifest.stat().st_mtime_ns
            if stamp != self._stamp:
                found = json.loads(self._manifest.read_text())[_ENTRY]
                styles = tuple(f"/static/{name}" for name in found.get("css", []))
                self._entry, self._stamp = Entry(f"/static/{found['file']}", styles), stamp
        except (OSError, ValueError, KeyError) as error:
            raise NotBuilt from error
        return self._entry

    def shell(self, handler: RequestHandler) -> str:
        """The document of every page of the portal; sets its security policy. Raises `NotBuilt`."""
        entry, nonce = self._built(), self._policy(handler)
        styles = "".join(f'<link rel="stylesheet" nonce="{nonce}" href="{style}">' for style in entry.styles)
        return (
            '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1,viewport-fit=cover">'
            '<meta name="color-scheme" content="light dark"><meta name="format-detection" content="telephone=no">'
            f'<title>云影 · 我的影像</title><link rel="icon" href="{_ICON}">{styles}'
            f'<script type="module" nonce="{nonce}" src="{entry.script}"></script></head>'
            '<body><div id="app"></div><noscript>请开启浏览器的 JavaScript 功能后再访问。</noscript></body></html>'
        )

    def unknown_link(self, handler: RequestHandler) -> str:
        """What a short link shows that leads nowhere."""
        text = "该链接无效或已失效。请检查地址是否完整，或从短信、报告中重新打开；也可以验证身份后在“我的影像”中查看。"
        return self._message(handler, "链接无法打开", text, ("/", "前往我的影像"))

    def error(self, handler: RequestHandler, document: dict[str, Any]) -> str:
        """A problem document as a page: what went wrong and the one thing to do next. The hook `error_page` of the handlers."""
        action = ("/", "返回首页")
        if document["status"] == 401:
            path = handler.request.path
            action = (f"/?to={path}" if _RETURN.fullmatch(path) else "/", "验证身份")
        elif document["status"] in (429, 500, 503):
            action = ("", "重新加载")
        return self._message(handler, document["title"], document["detail"], action, document["request_id"])

    def _message(
        self, handler: RequestHandler, title: str, text: str, action: tuple[str, str], request_id: str = ""
    ) -> str:
        nonce = self._policy(handler)
        address, label = action
        number = f"<small>编号 {html.escape(request_id)}</small>" if request_id else ""
        return (
            '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f'<title>{html.escape(title)}</title><style nonce="{nonce}">{_ERROR_STYLE}</style></head>'
            f"<body><main><h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>"
            f'<a href="{html.escape(address)}">{label}</a>{number}</main></body></html>'
        )

    @staticmethod
    def _policy(handler: RequestHandler) -> str:
        """Sets the security policy; returns the nonce that this one document's scripts and styles carry."""
        nonce = secrets.token_urlsafe(16)
        handler.set_header("Content-Type", "text/html; charset=utf-8")
        handler.set_header(
            "Content-Security-Policy",
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        )
        return nonce
