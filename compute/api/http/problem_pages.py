"""/problems/<code>: what the `type` of every problem document points at."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from compute.api.http.problems import is_browser, registry
from compute.api.http.renderers import answer, with_code
from compute.errors import Problem


def index(request: HttpRequest) -> HttpResponse:
    """List all codes."""
    problems = [explained(problem) for problem in registry().values()]
    if is_browser(request):
        return render(request, "compute/problems.html", {"problems": problems})
    return _json(problems)


def page(request: HttpRequest, code: str) -> HttpResponse:
    """Explain one code."""
    problem = registry().get(code)
    if problem is None:
        raise Http404
    if is_browser(request):
        return render(request, "compute/problem.html", {"problem": for_people(problem)})
    return _json(explained(problem))


def for_people(problem: type[Problem]) -> dict[str, object]:
    """Return what a page shows of a code."""
    return {**explained(problem), "explanation": with_code(problem.explanation)}


def explained(problem: type[Problem]) -> dict[str, object]:
    return {
        "code": problem.code,
        "status": problem.status,
        "title": problem.title,
        "retryable": problem.retryable,
        "explanation": problem.explanation,
    }


def _json(data: object) -> HttpResponse:
    return HttpResponse(answer(data), content_type="application/json")
