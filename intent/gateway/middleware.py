"""The enforcement point: every call is put to the decision point, and reaches the server only if it is allowed and all duties are done.

Whatever goes wrong before a call means that it is not made; whatever goes wrong after it means that its result is withheld.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar, cast

import anyio
import anyio.to_thread
import mcp_types
from fastmcp.prompts.base import InputRequiredPromptResult, Prompt, PromptResult
from fastmcp.resources.base import InputRequiredResourceResult, Resource, ResourceResult
from fastmcp.resources.template import ResourceTemplate
from fastmcp.server.context import Context
from fastmcp.server.dependencies import extract_version_spec
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools.base import InputRequiredToolResult, Tool, ToolResult
from mcp.shared.exceptions import MCPError

from intent.audit.event import EnforcementRecord
from intent.decision_point.evaluation import Evaluation, Ground, Refusal
from intent.decision_point.point import DecisionPoint
from intent.errors import GatewayError, InvalidCall
from intent.gateway.call import GET_PROMPT, READ_RESOURCE, Call, OneServer, Origins, content_tool, json_object
from intent.gateway.consent import Consent, question_text
from intent.gateway.masking import Result
from intent.gateway.obligations import Duties, Unfulfilled
from intent.gateway.pins import Listed, Pins
from intent.gateway.refusals import Code, denial, refusal
from intent.gateway.session import REQUEST_META, Sessions
from intent.policy.outcome import Obligation, ObligationType
from intent.policy.request import EvaluationRequest
from intent.schema import ReasonCode
from intent.schema import Tool as Definition
from intent.visible import marked

log = logging.getLogger(__name__)

UNFULFILLED = "unfulfilled_obligation"
_ASKS = (InputRequiredToolResult, InputRequiredResourceResult, InputRequiredPromptResult)
# Everything else, such as completion, would be a door beside the gate.
METHODS: Final = frozenset(
    (
        *("initialize", "ping", "server/discover", "logging/setLevel", "tools/list", "tools/call", READ_RESOURCE, GET_PROMPT),
        *("resources/list", "resources/templates/list", "prompts/list"),
    )
)
# What may refuse comes before what tells others.
_ORDER = (ObligationType.MASK, ObligationType.LIMIT, ObligationType.NOTIFICATION)
_T = TypeVar("_T")
_Listed = TypeVar("_Listed", Resource, ResourceTemplate, Prompt)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call as it was put to the decision point, and what that answered."""

    call: Call
    request: EvaluationRequest
    answer: Evaluation

    @property
    def duties(self) -> tuple[Obligation, ...]:
        return self.answer.obligations

    def of_type(self, *types: ObligationType) -> list[Obligation]:
        return [duty for kind in types for duty in self.duties if duty.type is kind]


class IntentMiddleware(Middleware):
    """Guards a FastMCP server: add it before any other middleware, so that what it refuses never reaches them.

    Parameters
    ----------
    decision_point
        What decides.
    sessions
        Who stands behind a call; None: the user that runs the process, in one session without an end.
    pins
        Pinned definitions; None: pinned for as long as the process lives.
    origins
        From which server a tool comes; None: all from ``server``.
    server
        What the server is called where it is the only one.
    duties
        Carries out obligations; None: without a webhook.
    consent
        Asks for approval.
    content
        Whether resources and prompts may be read, each read decided as a call of the tool ``resources/read`` or ``prompts/get``; False:
        they are refused and not listed.
    deadline_s
        Longest time for one decision or one record, in seconds; then the call is denied.
    threads
        Most decisions at the same time; more wait for a thread, within their deadline.

    Raises
    ------
    GatewayError
        If the deadline or the number of threads is not positive.
    """

    def __init__(
        self,
        decision_point: DecisionPoint,
        *,
        sessions: Sessions | None = None,
        pins: Pins | None = None,
        origins: Origins | None = None,
        server: str = "server",
        duties: Duties | None = None,
        consent: Consent | None = None,
        content: bool = True,
        deadline_s: float = 5.0,
        threads: int = 8,
    ) -> None:
        if deadline_s <= 0 or threads < 1:
            raise GatewayError(f"deadline_s and threads must be positive, got {deadline_s:g} and {threads}")
        self._point = decision_point
        self._sessions = sessions or Sessions(session_s=None)
        self._pins = pins or Pins(None)
        self._origins = origins or OneServer(server)
        self._duties = duties or Duties(self._sessions.end)
        self._consent = consent or Consent()
        self._content = content
        self._deadline_s = deadline_s
        self._threads = anyio.CapacityLimiter(threads)
        # Of their own, so that a denial is recorded although every deciding thread hangs.
        self._recorders = anyio.CapacityLimiter(threads)

    async def on_request(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Refuse what is neither guarded nor harmless."""
        if context.method not in METHODS:
            raise refusal(Code.UNSUPPORTED, "the gateway does not pass on this method")
        return await call_next(context)

    async def on_call_tool(
        self, context: MiddlewareContext[mcp_types.CallToolRequestParams], call_next: CallNext[mcp_types.CallToolRequestParams, ToolResult]
    ) -> ToolResult:
        """Guard a call."""
        ctx, asked = _context(context), context.message
        call = await _closed(self._tool_call(ctx, asked))
        return cast("ToolResult", await self._guarded(ctx, call, partial(call_next, context), InputRequiredToolResult))

    async def on_read_resource(
        self,
        context: MiddlewareContext[mcp_types.ReadResourceRequestParams],
        call_next: CallNext[mcp_types.ReadResourceRequestParams, ResourceResult],
    ) -> ResourceResult:
        """Guard a read of content."""
        uri = str(context.message.uri)
        ctx, origin = _context(context), self._origins.of_uri(uri)
        call = await _closed(self._content_call(ctx, READ_RESOURCE, origin, {"uri": origin[1] if origin else uri}))
        return cast("ResourceResult", await self._guarded(ctx, call, partial(call_next, context), InputRequiredResourceResult))

    async def on_get_prompt(
        self,
        context: MiddlewareContext[mcp_types.GetPromptRequestParams],
        call_next: CallNext[mcp_types.GetPromptRequestParams, PromptResult],
    ) -> PromptResult:
        """Guard a read of content."""
        name, arguments = context.message.name, context.message.arguments
        ctx, origin = _context(context), self._origins.of_tool(name)
        told = {"name": origin[1] if origin else name, "arguments": dict(arguments or {})}
        call = await _closed(self._content_call(ctx, GET_PROMPT, origin, told))
        return cast("PromptResult", await self._guarded(ctx, call, partial(call_next, context), InputRequiredPromptResult))

    async def on_list_tools(
        self, context: MiddlewareContext[mcp_types.ListToolsRequest], call_next: CallNext[mcp_types.ListToolsRequest, Sequence[Tool]]
    ) -> Sequence[Tool]:
        """Pin what is new, and hide what has changed."""
        return await _closed(self._usable(await call_next(context)))

    async def on_list_resources(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Sequence[Resource]]) -> Sequence[Resource]:
        """Nothing where content is not passed on."""
        return await call_next(context) if self._content else []

    async def on_list_resource_templates(
        self, context: MiddlewareContext[Any], call_next: CallNext[Any, Sequence[ResourceTemplate]]
    ) -> Sequence[ResourceTemplate]:
        """Nothing where content is not passed on."""
        return await call_next(context) if self._content else []

    async def on_list_prompts(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Sequence[Prompt]]) -> Sequence[Prompt]:
        """Nothing where content is not passed on."""
        return await call_next(context) if self._content else []

    async def _usable(self, tools: Sequence[Tool]) -> list[Tool]:
        by_server: dict[str, list[tuple[Tool, Listed]]] = {}
        for tool in tools:
            origin = self._origins.of_tool(tool.name)
            if origin is not None:
                by_server.setdefault(origin[0], []).append((tool, _listed(tool, origin)))
        found: list[Tool] = []
        for server, items in by_server.items():
            usable = self._pins.unchanged(server, [listed for _, listed in items])
            found += [tool for tool, listed in items if listed.tool.name in usable]
            for name in sorted({listed.tool.name for _, listed in items} - usable):
                log.warning("hidden: the definition of %s/%s has changed and waits for a review", marked(server), marked(name))
        return found

    async def _tool_call(self, ctx: Context, asked: mcp_types.CallToolRequestParams) -> Call:
        """The call, if its tool is listed and as it was pinned."""
        caller, arguments = self._sessions.caller(ctx), json_object(asked.arguments)
        origin = self._origins.of_tool(asked.name)
        found = None if origin is None or _names_version(ctx, asked) else await ctx.fastmcp.get_tool(asked.name)
        if origin is None or found is None:
            server, name = origin or ("", asked.name)
            call = Call(Definition(name=name, server=server), arguments, caller)
            raise await self._refused(call, Refusal.REQUEST, "the tool is not listed, or a version of it is named")
        listed = _listed(found, origin)
        call = Call(listed.tool, arguments, caller)
        if listed.tool.name not in self._pins.unchanged(origin[0], [listed]):
            raise await self._refused(call, ReasonCode.CHANGED_DEFINITION, "the definition has changed since it was pinned")
        return call

    async def _content_call(self, ctx: Context, method: str, origin: tuple[str, str] | None, arguments: dict[str, Any]) -> Call:
        call = Call(content_tool(method, origin[0] if origin else ""), arguments, self._sessions.caller(ctx))
        if origin is None or not self._content or _names_version(ctx, None):
            raise await self._refused(call, Refusal.REQUEST, "no server offers this content, or none is passed on")
        return call

    async def _guarded(
        self, ctx: Context, call: Call, proceed: Callable[[], Awaitable[Result]], ask: Callable[[mcp_types.InputRequiredResult], Result]
    ) -> Result:
        asked = await _closed(self._asked(ctx, call))
        if isinstance(asked, mcp_types.InputRequiredResult):
            return ask(asked)
        _forget_request(ctx)
        try:
            result = await proceed()
        except Exception as error:
            await _closed(self._record(asked, _of_call("the server answered with an error", fulfilled=False)))
            if asked.of_type(ObligationType.MASK, ObligationType.LIMIT):
                raise denial(asked.answer, Ground(UNFULFILLED, "the error of the server is withheld")) from error
            raise
        return await _closed(self._delivered(asked, result))

    async def _asked(self, ctx: Context, call: Call) -> _Asked | mcp_types.InputRequiredResult:
        """The allowed call with everything done that comes before it, or the question on which it waits."""
        if self._sessions.ended(call.caller.session):
            raise await self._refused(call, Refusal.SESSION, "the session has been ended")
        try:
            resumed = self._consent.resumed(ctx, call)
        except LookupError as error:
            raise await self._refused(call, Refusal.REQUEST, str(error)) from error
        request = call.evaluation_request(self._supported(ctx))
        if resumed is not None:
            asked = _Asked(call, request, resumed[0])
            return await self._consented(asked, resumed[1])
        asked = _Asked(call, request, await self._evaluated(request))
        if not asked.answer.allowed:
            await self._on_denial(asked)
            raise denial(asked.answer)
        for duty in asked.of_type(*_ORDER):
            await self._done(asked, duty)
        return await self._step_up(ctx, asked)

    async def _step_up(self, ctx: Context, asked: _Asked) -> _Asked | mcp_types.InputRequiredResult:
        steps = asked.of_type(ObligationType.STEP_UP)
        if not steps:
            return await self._consented(asked, "")
        text = question_text(asked.call, asked.answer, [str(step.properties.get("message", "")) for step in steps])
        if self._consent.deferred(ctx) and self._consent.possible(ctx):
            return self._consent.question(asked.call, asked.answer, text)
        return await self._consented(asked, await self._consent.asked(ctx, text))

    async def _consented(self, asked: _Asked, why_not: str) -> _Asked:
        for step in asked.of_type(ObligationType.STEP_UP):
            await self._record(asked, _of_duty(step, why_not))
        if why_not:
            raise denial(asked.answer, Ground(UNFULFILLED, why_not))
        for duty in asked.of_type(ObligationType.SESSION_TERMINATION):
            await self._done(asked, duty)
        return asked

    async def _done(self, asked: _Asked, duty: Obligation) -> None:
        try:
            await self._duties.before(duty, asked.call)
        except Unfulfilled as error:
            await self._record(asked, _of_duty(duty, str(error)))
            raise denial(asked.answer, Ground(UNFULFILLED, str(error))) from error
        # What binds the result is recorded with it.
        if duty.type not in {ObligationType.MASK, ObligationType.LIMIT}:
            await self._record(asked, _of_duty(duty, ""))

    async def _on_denial(self, asked: _Asked) -> None:
        for duty in asked.duties:
            try:
                await self._duties.before(duty, asked.call)
            except Unfulfilled as error:
                await self._record(asked, _of_duty(duty, str(error)))
            else:
                await self._record(asked, _of_duty(duty, ""))

    async def _delivered(self, asked: _Asked, result: Result) -> Result:
        if isinstance(result, _ASKS):
            await self._record(asked, _of_call("the server asked for input, which is not passed on", fulfilled=False))
            raise denial(asked.answer, Ground(UNFULFILLED, "the server asked for input, which is not passed on"))
        for duty in asked.of_type(ObligationType.MASK, ObligationType.LIMIT):
            try:
                result = self._duties.after(duty, result)
            except Unfulfilled as error:
                await self._record(asked, _of_duty(duty, str(error)))
                raise denial(asked.answer, Ground(UNFULFILLED, f"the result is withheld: {error}")) from error
            await self._record(asked, _of_duty(duty, ""))
        await self._record(asked, _of_call("", fulfilled=True))
        return result

    def _supported(self, ctx: Context) -> tuple[str, ...]:
        step_up = (ObligationType.STEP_UP,) if self._consent.possible(ctx) else ()
        return tuple(sorted(map(str, (*self._duties.supported, *step_up))))

    async def _evaluated(self, request: EvaluationRequest) -> Evaluation:
        try:
            with anyio.fail_after(self._deadline_s):
                return await anyio.to_thread.run_sync(self._point.evaluate, request, abandon_on_cancel=True, limiter=self._threads)
        except TimeoutError:
            answer = await self._noted(request, ReasonCode.TIMEOUT, f"no decision within {self._deadline_s:g} s")
            raise denial(answer) from None

    async def _refused(self, call: Call, code: Refusal | ReasonCode, message: str) -> MCPError:
        """Record a denial for what only the gateway knows, and make its error."""
        return denial(await self._noted(call.evaluation_request(()), code, message))

    async def _noted(self, request: EvaluationRequest, code: Refusal | ReasonCode, message: str) -> Evaluation:
        return await self._in_thread(partial(self._point.refuse, request, message, code))

    async def _record(self, asked: _Asked, found: EnforcementRecord) -> None:
        """Record what became of a duty or of the call; what cannot be recorded did not happen as far as the client is concerned."""
        await self._in_thread(partial(self._point.enforced, asked.answer.decision.decision_id, asked.request, found))

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        with anyio.fail_after(self._deadline_s):
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._recorders)


async def _closed(work: Awaitable[_T]) -> _T:
    """Fail closed: whatever happens in the gateway's own work, the client gets an error and nothing else happens."""
    try:
        return await work
    except MCPError:
        raise
    except InvalidCall as error:
        raise refusal(Code.UNMAPPED, str(error), grounds=[Ground(str(Refusal.REQUEST), str(error))]) from error
    except Exception as error:
        log.exception("a call could not be guarded")
        message = "the call could not be decided, or what became of it could not be recorded"
        raise refusal(Code.UNDECIDED, message, grounds=[Ground(str(ReasonCode.ERROR), message)]) from error


def _context(context: MiddlewareContext[Any]) -> Context:
    if context.fastmcp_context is None:
        raise refusal(Code.UNDECIDED, "the call has no context")
    return context.fastmcp_context


def _listed(tool: Tool, origin: tuple[str, str]) -> Listed:
    wire = tool.to_mcp_tool(name=origin[1]).model_dump(mode="json", by_alias=True, exclude_none=True)
    server, name = origin
    definition = Definition(
        name=name,
        description=wire.get("description"),
        input_schema=wire.get("inputSchema"),
        annotations=wire.get("annotations"),
        server=server,
    )
    return Listed(definition, {"title": wire.get("title"), "outputSchema": wire.get("outputSchema")})


def _names_version(ctx: Context, asked: mcp_types.CallToolRequestParams | None) -> bool:
    """Whether another version than the listed one is called for: its definition is not the pinned one."""
    about = ctx.request_context
    metas = (about.meta if about is not None else None, dict(asked.meta) if asked is not None and asked.meta else None)
    return any(extract_version_spec(cast("dict[str, Any] | None", meta)) is not None for meta in metas)


def _forget_request(ctx: Context) -> None:
    """The user's words are for the decision; the server that is called has no need of them."""
    about = ctx.request_context
    if about is not None and about.meta:
        about.meta.pop(REQUEST_META, None)


def _of_duty(duty: Obligation, why_not: str) -> EnforcementRecord:
    return EnforcementRecord(obligation=duty.id, type=str(duty.type), fulfilled=not why_not, detail=why_not)


def _of_call(detail: str, *, fulfilled: bool) -> EnforcementRecord:
    return EnforcementRecord(obligation="", type="call", fulfilled=fulfilled, detail=detail)
