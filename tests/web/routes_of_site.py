"""The routes of a site as they are: what each asks for, and how tests call it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from web_site import PROJECT

from steersman.web.guard import Guard, Open
from steersman.web.permissions import Permission

# what stands for the parts of a path: the project is real, so that what comes after it is reached
_EXAMPLES = {"project_id": PROJECT, "user_id": "nobody-9", "name": "ratings"}


@dataclass(frozen=True, slots=True)
class StatedRoute:
    """One method of one path, and the guards among its dependencies; `is_first` where a guard is asked first."""

    method: str
    path: str
    guards: tuple[Guard | Open, ...]
    is_first: bool
    reads_body_first: bool

    @property
    def door(self) -> str:
        """Through which door it is reached: page, api, or open to all."""
        (guard,) = self.guards
        return "open" if isinstance(guard, Open) else "page" if guard.has_csrf else "api"

    @property
    def permission(self) -> Permission:
        """What it asks for."""
        (guard,) = self.guards
        return guard.permission

    @property
    def url(self) -> str:
        """An address that reaches it."""
        return re.sub(r"{(\w+)(:\w+)?}", lambda part: _EXAMPLES.get(part[1], "1"), self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.door} {self.permission}"


def stated_routes(app: FastAPI) -> Iterator[StatedRoute]:
    """Yield all routes of the app's own, each method by itself; files are served beside them."""
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route, "dependant", None)
        if not isinstance(dependant, Dependant):
            continue
        guards = tuple(each.call for each in _flat(dependant) if isinstance(each.call, Guard | Open))
        first = dependant.dependencies[0].call if dependant.dependencies else None
        for method in sorted(route.methods or ()):
            yield StatedRoute(
                method, route.path or "", guards, isinstance(first, Guard | Open), route.body_field is not None
            )


def _flat(dependant: Dependant) -> Iterator[Dependant]:
    for each in dependant.dependencies:
        yield each
        yield from _flat(each)
