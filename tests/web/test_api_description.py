"""The OpenAPI description: public, whole, and true of the routes it is made from."""

from typing import Any, cast

from fastapi.routing import APIRoute
from web_site import WebSite

pytest_plugins = ("web_fixtures",)


def description(site: WebSite) -> dict[str, Any]:
    return cast("dict[str, Any]", site.stranger().get("/api/v1/openapi.json").json())


def test_the_description_is_for_everybody_and_names_the_version(web_site: WebSite) -> None:
    found = description(web_site)
    assert found["openapi"].startswith("3.")
    assert all(path.startswith("/api/v1/") for path in found["paths"])


def test_every_route_of_the_api_is_described(web_site: WebSite) -> None:
    routers = [getattr(each, "original_router", None) for each in web_site.app.routes]
    inner = [route for each in routers if each is not None for route in each.routes if isinstance(route, APIRoute)]
    routes = [each for each in inner if each.path.startswith("/api/")]
    assert len(routes) > 20
    described = {(path, method) for path, methods in description(web_site)["paths"].items() for method in methods}
    shown = {(each.path, method.lower()) for each in routes for method in each.methods or ()}
    assert described == shown - {("/api/v1/openapi.json", "get")}


def test_every_operation_says_which_scope_it_needs_and_how_it_refuses(web_site: WebSite) -> None:
    for methods in description(web_site)["paths"].values():
        for operation in methods.values():
            assert operation["security"] == [{"token": []}]
            assert "Needs a token" in operation["description"]
            assert {"401", "403", "503"} <= set(operation["responses"])


def test_every_reference_leads_somewhere(web_site: WebSite) -> None:
    found = description(web_site)

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*(references(each) for each in value.values()))
        return set().union(*(references(each) for each in value)) if isinstance(value, list) else set()

    names = {each.rpartition("/")[2] for each in references(found)}
    assert names <= set(found["components"]["schemas"])
    assert {"AnswerBody", "BatchBody", "ProjectSettings", "ShownTask", "Fault"} <= names


def test_gold_tasks_are_no_kind_that_annotators_could_know(web_site: WebSite) -> None:
    kind = description(web_site)["components"]["schemas"]["ShownTask"]["properties"]["kind"]
    assert kind["enum"] == ["rating", "training", "qualification"]
