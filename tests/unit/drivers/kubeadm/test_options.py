"""What a definition may say of a cluster, and what is refused before anything runs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.drivers.kubeadm.bed import options


def test_defaults() -> None:
    found = options()
    assert (found.version, found.endpoint, found.pods, found.services, found.forward) == (
        "v1.36.3", "here", "10.244.0.0/16", "10.96.0.0/16", ()
    )  # fmt: skip


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ({"control": []}, "at least 1"),
        ({"control": ["a", "b"]}, "a control plane of 2 stops when any of them is lost"),
        ({"control": ["a", "b", "c", "d"]}, "a control plane of 4"),
        ({"control": ["data"]}, "machine `data` is named twice"),
        ({"workers": ["Data"]}, "machine `Data` cannot be a node"),
        ({"workers": ["data_1"]}, "machine `data_1` cannot be a node"),
        ({"workers": ["château"]}, "machine `château` cannot be a node"),
        ({"workers": ["d" * 64]}, "cannot be a node: its name would be no DNS label"),
        ({"version": "1.36.3"}, "is no version of Kubernetes"),
        ({"version": "v1.36"}, "is no version of Kubernetes"),
        ({"programs": "opt/kubernetes"}, "is no absolute path"),
        ({"programs": "/opt/$(reboot)"}, "is no absolute path"),
        ({"pods": "10.244.0.1/16"}, "is not an IPv4 subnet"),
        ({"pods": "8.8.0.0/16"}, "is a public network"),
        ({"pods": "10.244.0.0/25"}, "has no range for a machine"),
        ({"pods": "10.244.0.0/23", "workers": ["data", "edge"]}, "has too few ranges"),
        ({"services": "10.0.0.0/8"}, "is too large or too small"),
        ({"services": "10.244.128.0/20"}, "overlap"),
        ({"endpoint": "k8s.example.org"}, "is neither `here` nor HOST:PORT"),
        ({"endpoint": "there"}, "is neither `here` nor HOST:PORT"),
        ({"mirror": "http://"}, "is neither a name of `reach` nor a URL"),
        ({"mirror": 'http://a"b'}, "is neither a name of `reach` nor a URL"),
        ({"forward": ["dns.example.org"]}, "is no address of a name server"),
        ({"forward": ["1.1.1.1\n evil"]}, "is no address of a name server"),
        ({"workes": ["data"]}, "Extra inputs"),
    ],
)
def test_what_is_refused(written: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        options(**written)


@pytest.mark.parametrize("endpoint", ["k8s.example.org:6443", "10.1.2.3:443"])
def test_a_load_balancer_of_ones_own(endpoint: str) -> None:
    assert options(endpoint=endpoint).endpoint == endpoint
