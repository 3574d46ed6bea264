"""Each operation as a command of curl and as Python, made of the examples in the file.

Both read `SERVER`, `TOKEN` and the ids from the environment, as the guides set them.
"""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from compute.api.urls import NOUNS

Operation = dict[str, Any]

#: First word of a path -> how its id is called.
_IDS = {prefix: basename.replace("-", "_") + "_id" for prefix, _, basename in NOUNS}
#: A shell of its own keeps USERNAME, and zsh acts on it.
_NAMES = {"username": "member", "rule": "rule_id", "delivery": "delivery_id"}


def samples(
    path: str, method: str, operation: Operation, examples: Mapping[str, Any]
) -> list[dict[str, str]]:
    """Return both, as `x-codeSamples` has them."""
    query, headers = _sent(operation, "query"), _sent(operation, "header")
    if operation["security"]:
        headers = {"Authorization": "Bearer {token}", **headers}
    body = _body(operation, examples)
    url = re.sub(r"{(\w+)}", lambda match: f"{{{_variable(path, match[1])}}}", path)
    answer = operation["responses"].get("200", {})
    is_stream = "text/event-stream" in answer.get("content", {})
    return [
        {
            "lang": "Shell",
            "label": "curl",
            "source": _curl(url, method, query, headers, body, is_stream=is_stream),
        },
        {
            "lang": "Python",
            "label": "Python",
            "source": _python(url, method, query, headers, body, is_stream=is_stream),
        },
    ]


def _sent(operation: Operation, where: str) -> dict[str, str]:
    """Return the parameters with an example: what the documentation page fills in."""
    return {
        parameter["name"]: str(next(iter(parameter["examples"].values()))["value"])
        for parameter in operation.get("parameters", ())
        if parameter["in"] == where and parameter.get("examples")
    }


def _body(operation: Operation, examples: Mapping[str, Any]) -> Any:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        return examples[next(iter(content["examples"]))]
    return None


def _variable(path: str, parameter: str) -> str:
    noun = path.removeprefix("/api/v1/").partition("/")[0]
    return _IDS[noun] if parameter == "id" else _NAMES[parameter]


def _curl(
    url: str,
    method: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: Any,
    *,
    is_stream: bool,
) -> str:
    given = "&".join(f"{name}={value}" for name, value in query.items())
    where = _in_shell("{server}" + url + (f"?{given}" if given else ""))
    # With a body curl sends POST by itself.
    usual = "get" if body is None else "post"
    first = ["curl", *(["-N"] if is_stream else [])]
    if method != usual:
        first += ["-X", method.upper()]
    lines = [" ".join([*first, f'"{where}"'])]
    if body is not None:
        headers = {**headers, "Content-Type": "application/json"}
    lines += [f'-H "{_in_shell(f"{name}: {text}")}"' for name, text in headers.items()]
    if body is not None:
        lines.append(f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}")
    return " \\\n  ".join(lines)


def _in_shell(text: str) -> str:
    return re.sub(r"{(\w+)}", lambda match: f"${match[1].upper()}", text)


def _python(
    url: str,
    method: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: Any,
    *,
    is_stream: bool,
) -> str:
    shown = {name: _in_python(text) for name, text in headers.items()}
    arguments = [
        _in_python("{server}" + url),
        *([f"params={_literal(query, 1)}"] if query else []),
        *([f"headers={_mapping(shown, 1)}"] if shown else []),
        *([] if body is None else [f"json={_literal(body, 1)}"]),
        *(["stream=True"] if is_stream else []),
        "timeout=60",
    ]
    given = "".join(f"    {argument},\n" for argument in arguments)
    end = (
        "for line in answer.iter_lines(decode_unicode=True):\n    print(line)"
        if is_stream
        else "print(answer.status_code, answer.text)"
    )
    return (
        f"import os\n\nimport requests\n\nanswer = requests.{method}(\n{given})\n{end}"
    )


def _in_python(text: str) -> str:
    inside = re.sub(
        r"{(\w+)}", lambda match: "{os.environ['" + match[1].upper() + "']}", text
    )
    return f"{'f' if inside != text else ''}{_quoted(inside)}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _mapping(items: Mapping[str, str], depth: int) -> str:
    inner = "    " * (depth + 1)
    lines = "".join(f"{inner}{_quoted(k)}: {v},\n" for k, v in items.items())
    return f"{{\n{lines}{'    ' * depth}}}"


def _literal(value: Any, depth: int) -> str:
    """Return a value of JSON as Python, a line for each member."""
    inner = "    " * (depth + 1)
    match value:
        case dict() if value:
            shown = {name: _literal(item, depth + 1) for name, item in value.items()}
            return _mapping(shown, depth)
        case list() if value:
            lines = "".join(f"{inner}{_literal(item, depth + 1)},\n" for item in value)
            return f"[\n{lines}{'    ' * depth}]"
        case str():
            return _quoted(value)
        case _:
            return repr(value)
