from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from compute.label_selector import Requirement, condition, matches, parse
from compute.models import VM
from tests.support.api import Api, errors
from tests.support.factories import VMFactory

KEYS = ("env", "tier", "1", "example.com/team", "a__b", "x-y.z")
VALUES = ("prod", "db", "1", "", "true", "null", "A.b_c-d")
LABELS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=4)


def holds(text: str, labels: dict[str, str]) -> bool:
    """Evaluate a selector as Kubernetes documents it: an oracle, slow and plain."""
    depth, part, parts = 0, "", []
    for char in text:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += char
    return all(_one(item.strip(), labels) for item in [*parts, part])


def _one(item: str, labels: dict[str, str]) -> bool:
    for word in (" notin ", " in "):
        if word in item:
            key, _, rest = item.partition(word)
            values = [v.strip() for v in rest.strip()[1:-1].split(",")]
            found = labels.get(key.strip()) in values
            return found if word == " in " else not found
    for sign in ("!=", "==", "="):
        if sign in item:
            key, _, value = item.partition(sign)
            equal = labels.get(key.strip()) == value.strip()
            return not equal if sign == "!=" else equal
    if item.startswith("!"):
        return item[1:].strip() not in labels
    return item in labels


SPACE = st.sampled_from(["", " "])


@st.composite
def requirements(draw: st.DrawFn) -> str:
    key = draw(st.sampled_from(KEYS))
    a, b = draw(SPACE), draw(SPACE)
    form = draw(st.sampled_from(["=", "==", "!=", "in", "notin", "has", "!"]))
    if form == "has":
        return f"{a}{key}{b}"
    if form == "!":
        return f"{a}!{b}{key}"
    if form in ("in", "notin"):
        values = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=3))
        return f"{key} {form} ({a}{f',{b}'.join(values)})"
    return f"{key}{a}{form}{b}{draw(st.sampled_from(VALUES))}"


SELECTORS = st.lists(requirements(), min_size=1, max_size=3).map(",".join)


@given(selector=SELECTORS, rows=st.lists(LABELS, min_size=1, max_size=6))
@hypothesis_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@pytest.mark.django_db
def test_the_database_selects_what_the_oracle_does(
    selector: str, rows: list[dict[str, str]]
) -> None:
    VM.objects.all().delete()
    expected = {
        vm.pk
        for vm in (VMFactory.create(labels=labels) for labels in rows)
        if holds(selector, vm.labels)
    }
    found = VM.objects.filter(condition(parse(selector)))
    assert set(found.values_list("pk", flat=True)) == expected
    assert all(
        matches(parse(selector), labels) == holds(selector, labels) for labels in rows
    )


@pytest.mark.parametrize(
    ("text", "requirement"),
    [
        ("env", Requirement("env", "exists")),
        ("!env", Requirement("env", "absent")),
        ("in", Requirement("in", "exists")),
        ("env=", Requirement("env", "in", frozenset([""]))),
        ("env == prod", Requirement("env", "in", frozenset(["prod"]))),
        ("env!=prod", Requirement("env", "notin", frozenset(["prod"]))),
        ("env in (a, b)", Requirement("env", "in", frozenset(["a", "b"]))),
        ("env notin(a)", Requirement("env", "notin", frozenset(["a"]))),
        ("in in (in)", Requirement("in", "in", frozenset(["in"]))),
    ],
)
def test_the_forms_of_a_requirement(text: str, requirement: Requirement) -> None:
    assert parse(text) == [requirement]


@pytest.mark.parametrize(
    "text",
    [
        "env=prod,",
        ",env",
        "=prod",
        "env=prod=x",
        "env in a",
        "env in (a",
        "env in a)",
        "env in (a b)",
        "env in (a),(b)",
        "env>1",
        "-env",
        "env=-",
        "a/b/c",
        "env='prod'",
        "é",
        "!!env",
        "env=" + "x" * 64,
    ],
)
def test_what_is_no_selector_is_refused(api: Api, text: str) -> None:
    with pytest.raises(ValueError, match="requirement"):
        parse(text)
    response = api.client.get("/api/v1/vms", {"label_selector": text})
    assert errors(response) == [("label_selector", "invalid")]


def test_a_selector_has_an_end() -> None:
    with pytest.raises(ValueError, match="1024"):
        parse("a," * 1000 + "a")


@given(text=st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert parse(text)
