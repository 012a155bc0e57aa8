"""Patients at the gate, without a browser and with one."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser

from tests.browser.viewer_page import Viewer
from tests.e2e.demo_system import Demo


class Patient:
    """One of the demo's patients. A number gets one code a minute, so that each signs in once and keeps the session."""

    def __init__(self, demo: Demo, name: str) -> None:
        self.demo, self.name = demo, name
        self.phone, self.id_number = demo.patient(name)["phone"], demo.patient(name)["id_number"]
        self.cookies: dict[str, str] = {}

    def sign_in(self) -> Patient:
        post = self.post
        assert post("/codes", phone=self.phone).status_code == 202
        entered = post("/session", phone=self.phone, code=self.demo.code(self.phone))
        assert entered.status_code == 201 and entered.json()["state"] == "code-verified"
        self.cookies = entered.cookies.get_dict()
        proved = post("/session/identity", name=self.name, id_last4=self.id_number[-4:])
        assert proved.json() == {"state": "proved"}, proved.text
        return self

    def post(self, path: str, **body: Any) -> Any:
        return self.demo.ask("POST", f"/api/v1{path}", json=body, cookies=self.cookies)

    def get(self, path: str) -> Any:
        return self.demo.ask("GET", path, cookies=self.cookies)

    def exams(self, **conditions: str) -> list[dict[str, Any]]:
        query = "&".join(f"{key}={value}" for key, value in conditions.items())
        return self.get(f"/api/v1/exams?{query}").json()["items"]

    def viewer(self, browser: Browser, width: int = 390, height: int = 844, *, phone: bool = True) -> Viewer:
        """A browser that holds this patient's session."""
        viewer = Viewer(browser, width, height, phone=phone)
        viewer.context.add_cookies(
            [{"name": name, "value": value, "url": self.demo.url} for name, value in self.cookies.items()]
        )
        return viewer
