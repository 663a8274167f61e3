"""The OpenAPI description of the API, made from its routes: bodies, answers, refusals, and what each route asks for."""

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from steersman import __version__
from steersman.web.guard import Guard
from steersman.web.permissions import SCOPES, Permission

# JSON, as FastAPI makes it
Description = dict[str, Any]

_BEARER = "token"
_JSON = "application/json"
_WORDS = (
    'Every request carries `Authorization: Bearer TOKEN`. Errors are `{"error": message}`. '
    "A request that got no answer, or status 503, can be sent again: nothing is done twice."
)


def description(router: APIRouter) -> Description:
    """Return the description of all routes of `router`."""
    routes = [each for each in router.routes if isinstance(each, APIRoute) and each.include_in_schema]
    found: Description = get_openapi(
        title="Steersman annotation", version=__version__, description=_WORDS, routes=routes
    )
    components = found.setdefault("components", {})
    components["securitySchemes"] = {_BEARER: {"type": "http", "scheme": "bearer"}}
    for route in routes:
        for method in route.methods or ():
            operation = found["paths"][route.path_format][method.lower()]
            _say_permission(operation, route=route)
    schemas = components.setdefault("schemas", {})
    for operation in _operations(found):
        _move_schema(operation, schemas=schemas)
        _say_that_refusals_are_json(operation)
    return found


def permission_of(route: APIRoute) -> Permission:
    """Return what a route asks for."""
    guards = [each.call for each in route.dependant.dependencies if isinstance(each.call, Guard)]
    return guards[0].permission if guards else Permission.PUBLIC


def _say_permission(operation: Description, *, route: APIRoute) -> None:
    permission = permission_of(route)
    if permission is Permission.PUBLIC:
        return
    scopes = [scope for scope, permissions in SCOPES.items() if permission in permissions]
    operation["security"] = [{_BEARER: []}]
    needs = f"Needs a token with scope {' or '.join(scopes)}." if scopes else "Needs a token of any scope."
    operation["description"] = f"{operation.get('description', '')}\n\n{needs}".strip()


def _operations(found: Description) -> Iterator[Description]:
    for path in found["paths"].values():
        yield from path.values()


def _move_schema(operation: Description, *, schemas: Description) -> None:
    """Put the models of a body among all others; routes read their bodies themselves, so FastAPI does not know them."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = dict(content["schema"])
        if "$ref" in schema:
            continue
        schemas.update(schema.pop("$defs", {}))
        schemas[schema["title"]] = schema
        content["schema"] = {"$ref": f"#/components/schemas/{schema['title']}"}


def _say_that_refusals_are_json(operation: Description) -> None:
    """Mend what FastAPI says of a stream: that it also refuses in lines."""
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        if not status.startswith("2") and _JSON not in content:
            (response["content"],) = ({_JSON: each} for each in content.values())
