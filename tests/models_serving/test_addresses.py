"""What may be asked: public addresses, private ones that the operator names, and those of a cloud's metadata never."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from models_serving import outbound
from models_serving.addresses import policy_of
from models_serving.catalog.services import check_health, register_models, say_hello
from models_serving.contracts import Failed
from models_serving.outbound import OutboundError
from tests.models_serving.stub import StubServer


def refused(named: list[str], host: str, address: str, port: int = 80) -> str:
    try:
        policy_of(named, "HOSTS", ["http://models:8100/v1", "https://gpu.example/v1"])(host, port, address)
    except OutboundError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("named", "host", "address"),
    [
        ([], "api.example", "93.184.215.14"),
        ([], "api.example", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"),
        (["10.0.0.0/8"], "gpu", "10.1.2.3"),
        (["10.1.2.3"], "10.1.2.3", "10.1.2.3"),
        (["Gpu-1.lab"], "gpu-1.LAB", "192.168.0.4"),
        (["127.0.0.0/8", "[::1]"], "localhost", "::1"),
        (["10.0.0.0/8"], "gpu", "::ffff:10.1.2.3"),
    ],
)
def test_public_addresses_and_those_that_are_named_may_be_asked(named: list[str], host: str, address: str) -> None:
    assert refused(named, host, address) == ""


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.5", "192.168.1.1", "172.17.0.2", "::1", "fd12::1", "100.64.0.1",
        "64:ff9b:1::7f00:1", "fec0::1", "::7f00:1", "::ffff:0:7f00:1", "::808:808",
    ],
)  # fmt: skip
def test_a_private_address_is_refused_with_the_setting_that_would_allow_it(address: str) -> None:
    assert refused(["10.1.0.0/16"], "gpu", address) == (
        f"gpu is at the private address {address}; HOSTS has to name the host, its address or its network"
    )


def test_the_server_of_the_settings_may_be_private_at_its_own_port_only() -> None:
    assert [refused([], "models", "172.17.0.2", port) == "" for port in (8100, 5432)] == [True, False]
    assert [refused([], "gpu.example", "10.0.0.9", port) == "" for port in (443, 80)] == [True, False]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("169.254.169.254", "169.254.169.254"),
        ("::ffff:169.254.169.254", "169.254.169.254"),
        ("64:ff9b::a9fe:a9fe", "169.254.169.254"),
        ("2002:a9fe:a9fe::", "169.254.169.254"),
        ("64:ff9b:1::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe"),
        ("::a9fe:a9fe", "::a9fe:a9fe"),
        ("::ffff:0:a9fe:a9fe", "::ffff:0:a9fe:a9fe"),
        ("fe80::1", "fe80::1"),
        ("fd00:ec2::254", "fd00:ec2::254"),
        ("100.100.100.200", "100.100.100.200"),
        ("168.63.129.16", "168.63.129.16"),
        ("0.0.0.0", "0.0.0.0"),  # noqa: S104 - read, not bound
        ("224.0.0.1", "224.0.0.1"),
    ],
)
def test_where_a_cloud_tells_its_secrets_is_never_asked_whatever_the_settings_say(address: str, told: str) -> None:
    assert refused(["0.0.0.0/0", "::/0", "gpu"], "gpu", address) == f"gpu is at {told}, which is never asked"


@pytest.mark.django_db
def test_no_door_of_the_catalogue_leads_to_a_forbidden_address(
    stub: StubServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "169.254.169.254 is at 169.254.169.254, which is never asked"
    [model] = register_models(declarations=[{"name": "m", "url": "http://169.254.169.254/latest"}])
    check_health(served_model=model, now=datetime(2026, 11, 21, tzinfo=UTC))
    hello = say_hello(served_model=model)
    assert isinstance(hello, Failed)
    assert (model.health, model.health_detail, hello.error) == ("unhealthy", told, told)
    # in production not even this machine, unless it is named
    settings.PRIVATE_MODEL_HOSTS = []
    monkeypatch.setattr(outbound, "_guard", outbound._guard)
    apps.get_app_config("catalog").ready()
    [model] = register_models(declarations=[{"name": "m", "url": stub.url}])
    check_health(served_model=model, now=datetime(2026, 11, 21, tzinfo=UTC))
    assert (model.health_detail.partition(";")[0], stub.exchanges) == (
        "127.0.0.1 is at the private address 127.0.0.1", [],
    )  # fmt: skip
    settings.PRIVATE_MODEL_HOSTS = ["http://gpu"]
    with pytest.raises(ImproperlyConfigured, match=r"^PRIVATE_MODEL_HOSTS: 'http://gpu' is no host name, address or"):
        apps.get_app_config("catalog").ready()
