"""Renders the page: plain HTML, every value escaped, nothing kept between two requests."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from intent.api.authorization import token_fits
from intent.api.console.form import Form, submitted
from intent.api.console.result import result_of
from intent.api.console.samples import sample_of, samples
from intent.api.problems import STATUS, Problem, ProblemCode, ProblemError
from intent.api.service import service_of
from intent.visible import pieces

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
router = APIRouter(include_in_schema=False)


@router.get("/")
async def show(request: Request) -> Response:
    """The page with one of the samples filled in."""
    sample = sample_of(request.query_params.get("sample"))
    return _page(request, Form.of_call(sample.call), chosen=sample.key)


@router.post("/")
async def judge(request: Request) -> Response:
    """The page with the decision on the call that was sent; a fault in the call is told on the page."""
    settings = service_of(request).settings
    fields = await submitted(request, settings)
    form = Form.of_pairs(fields)
    try:
        if not token_fits(request, fields.get("token", "")):
            raise ProblemError(ProblemCode.UNAUTHORIZED, "The access token is missing or wrong.")
        call = await form.to_call(settings.max_body_bytes)
    except ProblemError as error:
        return _page(request, form, problem=error.problem(request.state.request_id))
    explained = await service_of(request).dispatch.explain(call)
    shown = Form.of_call(call.model_dump(mode="json", exclude_none=True), form.mode)
    return _page(request, shown, result=result_of(explained, service_of(request).normalizer.card))


@router.get("/docs")
async def docs() -> Response:
    """The OpenAPI document to try out, from assets of our own: no network is needed."""
    return HTMLResponse(_templates.get_template("docs.html").render(), headers={"Content-Security-Policy": _DOCS_POLICY})


def _page(request: Request, form: Form, *, chosen: str = "", problem: Problem | None = None, result: object = None) -> Response:
    service = service_of(request)
    html = _templates.get_template("page.html").render(
        pieces=pieces,
        form=form,
        samples=samples(),
        chosen=chosen,
        problem=problem,
        result=result,
        ready=service.ready,
        needs_token=service.settings.api_token is not None,
        vocabulary=service.normalizer.vocabulary,
        card=service.normalizer.card,
    )
    return HTMLResponse(html, STATUS[problem.code] if problem else 200, {"Content-Security-Policy": _POLICY})
