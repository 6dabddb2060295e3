"""Who may use a route: dependencies that give the actor, or send the person to the sign-in page, or refuse with 403."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from intent.api.console.refusal import SignInNeeded
from intent.api.console.state import session_of
from intent.errors import Forbidden
from intent.workbench.records import Actor, Role


def _needs(role: Role) -> Callable[[Request], Actor]:
    def guard(request: Request) -> Actor:
        session = session_of(request)
        if session is None:
            raise SignInNeeded
        if not session.person.role.includes(role):
            raise Forbidden(session.person.name, session.person.role, role)
        return session.person.actor

    return guard


viewer = _needs(Role.VIEWER)
analyst = _needs(Role.ANALYST)
approver = _needs(Role.APPROVER)
admin = _needs(Role.ADMIN)

Viewer = Annotated[Actor, Depends(viewer)]
Analyst = Annotated[Actor, Depends(analyst)]
Approver = Annotated[Actor, Depends(approver)]
Admin = Annotated[Actor, Depends(admin)]
