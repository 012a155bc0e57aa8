"""Pages without a browser: their policy, their errors, what they weigh, and that they hold nothing about anybody."""

from __future__ import annotations

import gzip
import json
import re

import pytest

from tests.identity.house import Browser
from tests.portal.site import STATIC, Site, Study

HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def built() -> None:
    assert (STATIC / ".vite" / "manifest.json").exists(), "run `npm run build` first (make test does)"


async def test_shell_has_a_strict_policy_and_is_the_same_for_every_exam(site: Site, browser: Browser, built) -> None:
    exam = await site.receive(Study())
    bodies = set()
    for path in ("/", f"/exam/{exam}", f"/exam/{'2' * 26}"):
        status, body = await browser.ask("GET", path, **HTML)
        policy = browser.last.headers["Content-Security-Policy"]
        nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)[1]
        assert status == 200 and "unsafe" not in policy and policy.startswith("default-src 'none'")
        assert browser.last.headers["Cache-Control"] == "no-store"
        text = body.decode()
        loaded = re.findall(r"<script[^>]*>|<link rel=\"stylesheet\"[^>]*>", text)
        assert len(loaded) >= 2 and all(f'nonce="{nonce}"' in tag for tag in loaded)
        assert not re.search(r"\son\w+=|style=|(?:src|href)=\"(?:https?:)?//", text)
        bodies.add(text.replace(nonce, ""))
    assert len(bodies) == 1


@pytest.mark.parametrize("path", ["/m/abc", "/s/ABC-_9", "/q/7"])
async def test_links_of_kinds_not_in_use_answer_in_chinese(site: Site, browser: Browser, path: str) -> None:
    status, body = await browser.ask("GET", path, **HTML)
    assert (
        status == 404
        and "链接无效或已失效" in body.decode()
        and "nonce-" in browser.last.headers["Content-Security-Policy"]
    )


async def test_errors_are_pages_for_browsers_and_documents_for_programs(site: Site, browser: Browser) -> None:
    status, body = await browser.ask("GET", "/nowhere", **HTML)
    text = body.decode()
    assert status == 404 and "没有找到" in text and "<main>" in text and 'href="/"' in text
    status, problem = await browser.ask("GET", "/nowhere")
    assert (status, problem["code"]) == (404, "not-found")
    assert browser.last.headers["Content-Type"].startswith("application/problem+json")
    status, problem = await browser.ask("POST", "/", b"")
    assert (status, problem["code"]) == (405, "method-not-allowed")


async def test_error_page_leads_back_to_this_site_only(site: Site, browser: Browser) -> None:
    document = {"status": 401, "title": "需要验证身份", "detail": "请先验证身份。", "request_id": "r<>1"}

    class Asked:
        class request:  # noqa: N801
            path = "/viewer/abcdefghij"

        def set_header(self, *_):
            pass

    page = site.page.error(Asked(), document)
    assert 'href="/?to=/viewer/abcdefghij"' in page and "r&lt;&gt;1" in page
    for path in ("//evil.example", "/viewer/../x", "/viewer/abcdefghij/", "/v/abcdefghij"):
        Asked.request.path = path
        assert 'href="/"' in site.page.error(Asked(), document)


@pytest.mark.parametrize(
    "path",
    [
        "/static/.vite/manifest.json",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/assets/..%2f..%2fapp.py",
        "/static//etc/passwd",
        "/static/assets/nothing.js",
        "/static/assets",
    ],
)
async def test_static_serves_the_build_only(site: Site, browser: Browser, path: str) -> None:
    assert (await browser.ask("GET", path))[0] == 404


async def test_patient_page_is_small(site: Site, browser: Browser, built) -> None:
    """T3: everything that the patient's page loads statically, as it travels, is at most 60 KB gzip."""
    manifest = json.loads((STATIC / ".vite" / "manifest.json").read_text())
    wanted, names = ["src/portal/main.ts"], set()
    while wanted:
        entry = manifest[wanted.pop()]
        names |= {entry["file"], *entry.get("css", [])}
        wanted += entry.get("imports", [])
    total = 0
    for name in names:
        status, body = await browser.ask("GET", f"/static/{name}", Accept_Encoding="identity")
        assert status == 200 and "immutable" in browser.last.headers["Cache-Control"]
        total += len(gzip.compress(body, 9))
    assert 2000 < total <= 60 * 1024
    assert not re.search(rb"__vue|echarts|cornerstone", body)


async def test_static_is_compressed_by_the_build(site: Site, browser: Browser, built) -> None:
    manifest = json.loads((STATIC / ".vite" / "manifest.json").read_text())
    name = manifest["src/portal/main.ts"]["file"]
    for accepted, encoding in (("gzip, deflate, br", "br"), ("gzip", "gzip"), ("identity", None)):
        await browser.ask("GET", f"/static/{name}", Accept_Encoding=accepted)
        assert browser.last.headers.get("Content-Encoding") == encoding
        assert browser.last.headers["Vary"] == "Accept-Encoding"
