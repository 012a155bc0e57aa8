"""The interface's description is valid, complete and true to what is served."""

from __future__ import annotations

import re

from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from tests.identity.house import Browser
from tests.portal.site import Site, Study


async def test_description_is_valid_and_says_what_is_public(site: Site, browser: Browser) -> None:
    status, document = await browser.ask("GET", "/api/v1/openapi.json")
    assert status == 200 and document["openapi"].startswith("3.1")
    validate(document)
    operations = {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }
    assert ("get", "/api/v1/exams/{exam}") in operations and ("put", "/api/v1/exams/{exam}/report") in operations
    open_ones = {key for key, operation in operations.items() if operation.get("x-public") is True}
    assert open_ones == {
        ("post", "/api/v1/codes"),
        ("get", "/api/v1/session"),
        ("post", "/api/v1/session"),
        ("get", "/api/v1/openapi.json"),
    }
    assert all(operation.get("x-action") for key, operation in operations.items() if key not in open_ones)
    assert len({operation["operationId"] for operation in operations.values()}) == len(operations)


async def test_every_route_is_described(site: Site, browser: Browser) -> None:
    _, document = await browser.ask("GET", "/api/v1/openapi.json")
    served = {
        (re.sub(r"\(\?P<(\w+)>.*?\)", r"{\1}", route.pattern).replace("\\", ""), method.lower())
        for route in site.all_routes()
        if route.pattern.startswith("/api/v1/")
        for method in route.rules
    }
    described = {(path, m) for path, item in document["paths"].items() for m in item if m != "parameters"}
    assert served == described


async def test_answers_fit_their_schemas(site: Site, browser: Browser) -> None:
    exam = await site.receive(Study())
    _, document = await browser.ask("GET", "/api/v1/openapi.json")

    def check(template: str, status: int, body: object, method: str = "get") -> None:
        responses = document["paths"][template][method]["responses"]
        response = responses[str(status)]
        if "$ref" in response:
            response = document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
        (content,) = response["content"].values()
        schema = {**content["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(body)

    for template in ("/api/v1/exams", "/api/v1/exams/{exam}"):
        status, body = await browser.ask("GET", template.format(exam=exam))
        assert status == 401
        check(template, status, body)
    check("/api/v1/session", *await browser.ask("GET", "/api/v1/session"))
    status, body = await browser.sign_in("13800000001", "张小明", "002X")
    check("/api/v1/session/identity", status, body, "post")
    for template in ("/api/v1/exams", "/api/v1/exams/{exam}", "/api/v1/institutions", "/api/v1/exams/{exam}/report"):
        check(template, *await browser.ask("GET", template.format(exam=exam)))
