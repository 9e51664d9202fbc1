"""CEL behind its port: Kubernetes' functions, the server's words, and what happens without the library."""

from typing import Any

import pytest

from ephemeral_castle.manifests.schemas import cel_rules, patterns, texts
from ephemeral_castle.manifests.schemas.cel import NotEvaluableError, RuleError, engine
from ephemeral_castle.manifests.schemas.cel_values import rewritten
from ephemeral_castle.manifests.schemas.structural import Definition, Structural

library = engine()
needs_library = pytest.mark.skipif(library is None, reason="cel-expr-python has no wheel for this computer")


def evaluated(expression: str, value: Any = None) -> Any:
    assert library
    return library.compile(rewritten(expression))({"self": value})


@needs_library
@pytest.mark.parametrize(
    "expression",
    [
        "quantity('1Gi') == quantity('1024Mi')",
        "quantity('1.5').compareTo(quantity('1500m')) == 0",
        "quantity('2').isGreaterThan(quantity('1')) && quantity('1').isLessThan(quantity('2'))",
        "quantity('1k').add(quantity('1')).asInteger() == 1001 && quantity('5').sub(3).asInteger() == 2",
        "quantity('-1').sign() == -1 && !quantity('1m').isInteger() && quantity('0.5').asApproximateFloat() < 0.6",
        "isQuantity('1Gi') && !isQuantity('one')",
        "url('https://a.example:8443/b?c=d').getHostname() == 'a.example'",
        "url('https://a.example:8443/b?c=d').getPort() == '8443' && url('/a').getScheme() == ''",
        "url('https://a/b?c=d&c=e').getQuery()['c'] == ['d', 'e'] && url('https://a/b').getEscapedPath() == '/b'",
        "isURL('https://a') && !isURL('a b') && url('https://u@a:1/').getHost() == 'a:1'",
        "ip('10.0.0.1').family() == 4 && ip('::1').isLoopback() && !isIP('1.2.3')",
        "ip('169.254.0.1').isLinkLocalUnicast() && ip('224.0.0.1').isLinkLocalMulticast()",
        "ip('8.8.8.8').isGlobalUnicast() && ip('0.0.0.0').isUnspecified() && ip.isCanonical('::1')",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && cidr('10.0.0.0/8').containsIP(ip('10.1.2.3'))",
        "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.0.0.0/8').containsCIDR(cidr('11.0.0.0/8'))",
        "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && cidr('10.0.0.0/8').prefixLength() == 8",
        "cidr('10.1.2.3/8').ip() == ip('10.1.2.3') && isCIDR('::/0') && !isCIDR('10.0.0.0')",
        "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('1.0.0-rc.1').compareTo(semver('1.0.0')) < 0",
        "semver('1.2.3').major() == 1 && semver('1.2.3').minor() == 2 && isSemver('1.2.3') && !isSemver('1.2')",
        "'abc123'.find('[0-9]+') == '123' && 'a1b2'.findAll('[0-9]') == ['1', '2']",
        "'a1b2'.findAll('[0-9]', 1) == ['1']",
        "[1, 2, 3].isSorted() && ![2, 1].isSorted() && [1, 2].sum() == 3",
        "[1, 5, 2].max() == 5 && ['b', 'a'].min() == 'a'",
        "sets.contains([1, 2], [2]) && sets.intersects([1, 2], [2, 3]) && sets.equivalent([1, 2], [2, 1, 1])",
        "[[1], [2]].flatten() == [1, 2] && [1, 1, 2].distinct() == [1, 2]",
        "[3, 1].sort() == [1, 3] && [1, 2, 3].slice(1, 2) == [2]",
        "!format.dns1123Label().validate('a-b').hasValue() && format.dns1123Label().validate('A').hasValue()",
        "format.named('uuid').value().validate('x').value() == ['does not match the UUID format']",
        "!format.qualifiedName().validate(format.uri().validate('/').hasValue() ? '' : 'a/b').hasValue()",
    ],
)
def test_functions_of_kubernetes(expression: str):
    assert evaluated(expression) is True


@needs_library
@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("self.b == 1", "no such key: b"),
        ("duration(self.a) > duration('1s')", "type conversion error from 'string' to 'google.protobuf.Duration'"),
        ("timestamp(self.a) > timestamp('2020-01-01T00:00:00Z')", "to 'google.protobuf.Timestamp'"),
        ("[1][self.n] == 1", "index out of bounds: 7"),
        ("1 / (self.n - 7) == 1", "division by zero"),
        ("self.a.isSorted()", "no such overload"),
        ("quantity(self.a).sign() == 1", "unable to parse quantity's suffix"),
        ("self.none.value() == 1", "no such key: none"),
        ("optional.none().value() == 1", "optional.none() dereference"),
        ("[].max() == 1", "max called on empty list"),
    ],
)
def test_failures_are_told_in_the_words_of_the_server(expression: str, says: str):
    with pytest.raises(RuleError) as raised:
        evaluated(expression, {"a": "12T4", "n": 7})
    assert says in str(raised.value)


@needs_library
@pytest.mark.parametrize("expression", ["((", "self.all(i, v, v > 1)", "nothing.of(self)"])
def test_what_does_not_compile_here_is_not_evaluable(expression: str):
    with pytest.raises(NotEvaluableError):
        evaluated(expression)


@needs_library
def test_a_list_beyond_the_budget_of_iterations_is_not_evaluable_and_no_hang():
    with pytest.raises(NotEvaluableError):
        evaluated("self.all(x, self.all(y, x == y || true))", list(range(5000)))


SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {"a": {"type": "string", "pattern": "^a+$"}},
            "x-kubernetes-validations": [{"rule": "self.a != 'aa'"}, {"rule": "self.a != 'aaa'"}],
        }
    },
}
DOCUMENT = {"apiVersion": "g/v1", "kind": "K", "metadata": {"name": "x"}, "spec": {"a": "aa"}}


def structural() -> Structural:
    return Structural(Definition("g", "v1", "K", SCHEMA), cel_rules.compiled(SCHEMA))


@needs_library
def test_with_the_library_rules_are_evaluated_and_counted():
    verdict = structural().judge(DOCUMENT)
    assert (verdict.code, verdict.rules, verdict.unchecked) == (422, 2, 0)


def test_without_the_library_rules_are_counted_as_not_looked_into(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cel_rules, "engine", lambda: None)
    verdict = structural().judge(DOCUMENT)
    assert (verdict.code, verdict.rules, verdict.unchecked) == (201, 0, 2)


def test_without_re2_patterns_are_counted_as_not_looked_into(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cel_rules, "engine", lambda: None)
    monkeypatch.setattr(patterns, "available", lambda: False)
    monkeypatch.setattr(texts, "pattern", lambda _: None)
    verdict = structural().judge({**DOCUMENT, "spec": {"a": "b"}})
    assert (verdict.code, verdict.unchecked) == (201, 3)
