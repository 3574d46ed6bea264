"""/problems/<code>: what the `type` of every problem document points at."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from compute.api.http.guides import context
from compute.api.http.problem_help import HELP, example
from compute.api.http.problems import is_browser, registry
from compute.api.http.renderers import answer, dumps, with_code
from compute.errors import Problem


def index(request: HttpRequest) -> HttpResponse:
    """List all codes."""
    problems = [explained(problem) for problem in registry().values()]
    if is_browser(request):
        about = {"problems": problems, **context("problems")}
        return render(request, "compute/problems.html", about)
    return _json(problems)


def page(request: HttpRequest, code: str) -> HttpResponse:
    """Explain one code."""
    problem = registry().get(code)
    if problem is None:
        raise Http404
    if is_browser(request):
        return render(request, "compute/problem.html", for_people(problem))
    return _json(explained(problem))


def for_people(problem: type[Problem]) -> dict[str, object]:
    """Return what the page of a code shows."""
    shown = {
        **explained(problem),
        "explanation": with_code(problem.explanation),
        "advice": with_code(HELP[problem.code].advice),
        "example": dumps(example(problem.code), indent=True).decode(),
    }
    return {"problem": shown, **context("problems")}


def explained(problem: type[Problem]) -> dict[str, object]:
    return {
        "code": problem.code,
        "status": problem.status,
        "title": problem.title,
        "retryable": problem.retryable,
        "explanation": problem.explanation,
        "advice": HELP[problem.code].advice,
    }


def _json(data: object) -> HttpResponse:
    return HttpResponse(answer(data), content_type="application/json")
