"""Settings, hosts, the process's own propagator."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import towline
from towline import Config, Propagator, default, set_default, without_health_checks
from towline._hosts import HostList
from towline._ids import new_span_id, new_trace_id
from towline._reader import DEFAULT_LIMITS


def test_defaults() -> None:
    config = Config(environ={})
    assert config.service_name == "unknown_service"
    assert len(config.instance) == 8 and int(config.instance, 16) >= 0
    assert (config.disabled, config.clock, config.tracestate, config.sampled) == (False, "auto", True, True)
    assert (config.trace_response, config.trust, config.filter, config.limits) == (False, None, None, DEFAULT_LIMITS)
    assert config.traceparent_to.allows("anywhere.example")
    assert not config.propagate_to.allows("anywhere.example")


def test_the_environment_is_read() -> None:
    config = Config(
        environ={
            "TOWLINE_SERVICE_NAME": "a",
            "TOWLINE_INSTANCE": "b",
            "TOWLINE_DISABLED": "TRUE",
            "TOWLINE_CLOCK": "v1",
            "TOWLINE_TRACESTATE": "off",
            "TOWLINE_PROPAGATE_TO": "example.com, 203.0.113.0/24",
            "TOWLINE_TRACEPARENT_TO": "example.org",
            "TOWLINE_SAMPLED": "no",
            "TOWLINE_TRACE_RESPONSE": "true",
            "TOWLINE_HEADER_BYTES_MAX": "100",
        }
    )
    assert (config.service_name, config.instance, config.disabled, config.clock) == ("a", "b", True, "v1")
    assert (config.tracestate, config.sampled, config.trace_response) == (False, False, True)
    assert config.limits.header_bytes_max == 100
    assert config.propagate_to.allows("x.example.com") and config.propagate_to.allows("203.0.113.9")
    assert config.traceparent_to.allows("example.org") and not config.traceparent_to.allows("example.com")


def test_code_wins_over_towline_over_otel() -> None:
    environ = {
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=attribute,service.instance.id=i%201,service.name=last",
    }
    assert Config(environ=environ).service_name == "last"
    assert Config(environ=environ).instance == "i 1"
    environ["OTEL_SERVICE_NAME"] = "otel"
    assert Config(environ=environ).service_name == "otel"
    environ["TOWLINE_SERVICE_NAME"] = ""
    assert Config(environ=environ).service_name == "otel", "empty is unset"
    environ["TOWLINE_SERVICE_NAME"] = "towline"
    assert Config(environ=environ).service_name == "towline"
    assert Config(environ=environ, service_name="code").service_name == "code"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOWLINE_CLOCK", "v9"),
        ("TOWLINE_TRACESTATE", "maybe"),
        ("TOWLINE_PROPAGATE_TO", "not a host!"),
        ("TOWLINE_HEADER_BYTES_MAX", "-1"),
        ("TOWLINE_HEADER_BYTES_MAX", "0"),
        ("TOWLINE_HEADER_BYTES_MAX", "lots"),
    ],
)
def test_what_is_not_understood_is_warned_of_and_ignored(
    name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = Config(environ={name: value})
    assert (config.clock, config.tracestate, config.limits) == ("auto", True, DEFAULT_LIMITS)
    assert name in caplog.text


@pytest.mark.parametrize("pair", ["bad", "=x", "a=%2", "a=%zz", "a=%ff", "TOWLINE_CLOCK=off"])
def test_one_broken_attribute_discards_them_all(pair: str, caplog: pytest.LogCaptureFixture) -> None:
    config = Config(environ={"OTEL_RESOURCE_ATTRIBUTES": f"service.name=a,{pair}"})
    assert (config.service_name, config.clock) == ("unknown_service", "auto")
    assert "OTEL_RESOURCE_ATTRIBUTES" in caplog.text


def test_entries_of_lists_are_ignored_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    config = Config(environ={"TOWLINE_PROPAGATE_TO": "not a host!, example.com", "TOWLINE_TRACEPARENT_TO": "not one!"})
    assert config.propagate_to.allows("example.com")
    assert config.traceparent_to.allows("anywhere.net"), "nothing is left of it"
    assert caplog.text.count("is ignored") == 2
    assert Config(environ={}, traceparent_to=["no good!", "example.com"]).traceparent_to.allows("example.com")


def test_a_flag_is_true_or_taken_for_false(caplog: pytest.LogCaptureFixture) -> None:
    assert Config(environ={"TOWLINE_SAMPLED": " True "}).sampled
    assert not Config(environ={"TOWLINE_SAMPLED": "FALSE"}).sampled
    assert caplog.text == ""
    assert not Config(environ={"TOWLINE_SAMPLED": "yes"}).sampled
    assert "TOWLINE_SAMPLED" in caplog.text


def test_limits_go_only_downwards() -> None:
    config = Config(environ={}, header_bytes_max=1 << 20, levels_max=100, forks_max=1 << 20)
    assert config.limits == DEFAULT_LIMITS
    assert Config(environ={}, levels_max=3, forks_max=5).limits[1:] == (3, 5)


def test_options_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="clock"):
        Config(environ={}, clock="v3")  # type: ignore[arg-type]


INTERNAL = """localhost LOCALHOST localhost. 127.0.0.1 127.9.9.9 ::1 [::1] 10.1.2.3 172.16.0.1 172.31.255.255
192.168.1.1 fc00::1 fd12::1 169.254.1.1 fe80::1 fe80::1%eth0 ::ffff:10.0.0.1 ::ffff:127.0.0.1 db my-service a_b
printer.local db.internal web.default.svc web.default.svc.cluster.local Web.Internal.""".split()
EXTERNAL = """example.com 8.8.8.8 172.32.0.1 172.15.255.255 192.169.0.1 11.0.0.1 2001:db8::1 ::ffff:8.8.8.8 notlocal.com
local.example xinternal.com svc.com 2130706433 0x7f000001 127.1""".split()


@pytest.mark.parametrize("host", INTERNAL)
def test_internal_hosts_are_on_the_default_list(host: str) -> None:
    assert HostList((), internal=True).allows(host)


@pytest.mark.parametrize("host", [*EXTERNAL, ""])
def test_external_hosts_are_not(host: str) -> None:
    assert not HostList((), internal=True).allows(host)


def test_what_a_user_adds() -> None:
    hosts = HostList(["Example.com", ".example.org", "203.0.113.7", "198.51.100.0/24", "2001:db8::/32", "[::2]"])
    for host in (
        "example.com",
        "a.b.example.com",
        "x.example.org",
        "203.0.113.7",
        "198.51.100.9",
        "2001:db8::5",
        "::2",
    ):
        assert hosts.allows(host), host
    for host in ("badexample.com", "example.com.evil.net", "203.0.113.8", "db", "localhost", ""):
        assert not hosts.allows(host), host
    assert HostList(["*"]).allows("anything")


def test_remembering_hosts_is_bounded() -> None:
    hosts = HostList((), internal=True)
    for n in range(5000):
        assert hosts.allows(f"h{n}")
    assert len(hosts._remembered) <= 1024


def test_health_checks_can_be_left_out() -> None:
    assert not without_health_checks("GET", "/healthz")
    assert not without_health_checks("HEAD", "/ready/")
    assert without_health_checks("POST", "/healthz")
    assert without_health_checks("GET", "/orders/health-report")


def test_there_is_one_propagator_for_a_process() -> None:
    assert default() is default()
    own = Propagator(Config(service_name="own", environ={}))
    before = default()
    set_default(own)
    try:
        assert default() is own
    finally:
        set_default(before)


def test_ids_are_random_and_not_those_of_the_application() -> None:
    import random

    random.seed(1)
    first = new_span_id()
    random.seed(1)
    assert new_span_id() != first
    assert (len(new_span_id()), len(new_trace_id())) == (16, 32)


def test_a_forked_worker_gives_out_other_ids() -> None:
    program = """
import os
from towline._ids import new_span_id
new_span_id()
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, new_span_id().encode())
    os._exit(0)
os.wait()
assert os.read(reader, 16).decode() != new_span_id()
"""
    source = str(Path(towline.__file__).parents[1])
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | {"PYTHONPATH": source})
