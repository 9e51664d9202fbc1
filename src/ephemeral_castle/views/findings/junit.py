"""The answer of `castle check` as JUnit's XML, which most CI systems show as tests: a suite per file.

Source: the form that Jenkins and GitLab read (`testsuites/testsuite/testcase/failure`, `skipped`).
"""

from __future__ import annotations

from itertools import groupby
from xml.etree import ElementTree as ET

from ephemeral_castle.model.checked import Checked
from ephemeral_castle.model.finding import Finding, Severity
from ephemeral_castle.views.words import clean


def checked_junit(checked: Checked) -> str:
    """One document. Errors and warnings are failures, notes pass, what was not looked into is skipped."""
    every = [*checked.findings, *checked.undecided]
    root = ET.Element("testsuites", name="castle check", tests=str(max(1, len(every))))
    for file, group in groupby(sorted(every, key=lambda each: each.mark.file), key=lambda each: each.mark.file):
        found = list(group)
        suite = _suite(root, file or "world", found)
        for each in found:
            _case(suite, each)
    if not every:
        ET.SubElement(_suite(root, "castle check", []), "testcase", name="nothing wrong", classname="castle")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ET.Element, name: str, found: list[Finding]) -> ET.Element:
    failures = sum(each.severity in (Severity.ERROR, Severity.WARNING) for each in found)
    skipped = sum(each.severity is Severity.UNDECIDED for each in found)
    numbers = {"tests": max(1, len(found)), "failures": failures, "errors": 0, "skipped": skipped}
    return ET.SubElement(root, "testsuite", {"name": clean(name), **{k: str(v) for k, v in numbers.items()}})


def _case(suite: ET.Element, each: Finding) -> None:
    place = {"file": clean(each.mark.file), "line": str(each.mark.line)} if each.mark.line else {}
    name = clean(" ".join(filter(None, (each.rule, each.subject, each.path, str(each.mark.line or "")))))
    case = ET.SubElement(suite, "testcase", {"name": name, "classname": clean(each.mark.file or "world"), **place})
    if each.severity is Severity.UNDECIDED:
        ET.SubElement(case, "skipped", message=clean(each.message))
    elif each.severity is not Severity.NOTE:
        failure = ET.SubElement(case, "failure", type=each.severity.value, message=clean(each.message))
        lines = [str(each.mark), each.says and f"says: {each.says}", *(f"hint: {text}" for text in each.hints)]
        failure.text = "\n".join(clean(line) for line in lines if line)
