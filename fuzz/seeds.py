"""The first inputs of every fuzz target, made of the vectors.

usage: seeds.py FOLDER        writes FOLDER/TARGET/seed-N
"""
import base64
import json
import sys
from pathlib import Path

SPEC = Path(__file__).parent.parent / "spec"


def load(name, folder="vectors"):
    return json.loads((SPEC / folder / f"{name}.json").read_text(encoding="utf-8"))


def clocks():
    codec, order = load("clock-codec"), load("clock-order")
    for kind in ("valid", "invalid", "lenient"):
        yield from (case["header"] for case in codec[kind])
    yield codec["deepest"]
    # As many calls in flight as a header may name, the last of them answered next.
    yield 'v2;t=1c80319c, a#1/00000001:65536;x="1-65536"'
    for case in (order["order"] + order["merge"])[::7]:
        yield case["a"] + "\0" + case["b"]
    yield from (case["header"] for case in load("clock-cut")["cut"] if len(case["header"]) <= 4096)


def members():
    file = load("clock-tracestate")
    yield from (case["member"] for case in file["members"] if case["member"])
    yield from file["invalid"]
    for length in (255, 256, 257):          # around the limit, to the character
        start = "a3f9c21b:1999999x"
        calls = (length - len(start) - 4) // 4
        ticks = [str(100 + 2 * n) for n in range(calls)]
        yield start + " ".join([*ticks, "1" * (length - len(start) - 4 * calls)])


def field_lists():
    tags = {"traceparent": "p", "tracestate": "s", "raceway-clock": "c"}
    for case in load("trace-context")["cases"]:
        yield "\0".join(tags.get(name.lower(), "x") + value for name, value in case["fields"])


def vectors_of_v1():
    file = load("clock-v1")
    for case in file["read"] + file["refused"]:
        header = case["header"]
        yield header
        try:
            yield base64.urlsafe_b64decode(header[3:] + "=" * (-len(header[3:]) % 4))
        except ValueError:
            pass


def requests():
    """Settings, fields, and a course of calls, answers, forks and joins."""
    acts = bytes([1, 0, 1, 0, 4, 0, 0, 0, 0, 8, 0, 1, 1, 9, 0, 10, 0, 6, 0, 2, 11, 0, 1, 0])
    parent = "p00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for n, fields in enumerate(field_lists()):
        yield bytes([n * 37 % 256]) + fields.encode("latin-1", "replace") + b"\1" + acts
    for n, clock in enumerate([*clocks()][::5]):
        fields = "\0".join([parent, "c" + clock.split("\0")[0], "a" + clock.split("\0")[0]])
        yield bytes([128 + n % 128]) + fields.encode("latin-1", "replace") + b"\1" + acts
    for n, member in enumerate([*members()][::5]):
        yield bytes([128 + n % 128]) + f"{parent}\0stowline={member},foo=1".encode("latin-1", "replace") + b"\1" + acts
    for case in load("clock-v1")["read"]:
        yield bytes([128]) + f"{parent}\0c{case['header']}".encode() + b"\1" + acts


def carriers():
    """What may stand beside trace and clock, alone and together."""
    file, parent = load("carriers"), "p00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    letters = {"x-b3-traceid": "1", "x-b3-spanid": "2", "x-b3-sampled": "3", "x-b3-flags": "4"}
    for case in file["timeout"]:
        yield "\0".join(["t" + value for value in case["towline-timeout"]] + ["g" + value for value in case["grpc-timeout"]])
    for case in file["b3"]:
        multi = [letters[name] + value for name, values in case["multi"].items() for value in values]
        yield "\0".join(["b" + value for value in case["b3"]] + multi)
    for case in file["baggage"]:
        if sum(map(len, case["baggage"])) < 4000:
            yield "\0".join([parent, "?1", "t900", *("B" + value for value in case["baggage"])])
    yield f"{parent}\0c{next(iter(clocks()))}\0?1\0Ba=1"


def programs():
    """Acts of a program, some of each kind; the fuzzer finds the rest."""
    call, detach, end, answer, message, lost, gap, dive, many, deep = 1, 3, 4, 5, 9, 10, 12, 13, 14, 17
    yield bytes([call, 0, 255, call, 1, 255, answer, 0, 1, 0, answer, 0, 0, 0, 0, 0])
    yield bytes([many, 0, 9, 0, call, 0, 20, answer, 0, 0, 0, end, 0, 11, 0, 4])
    yield bytes([detach, 0, 255, message, 0, 2, 0, 1, message, 1, 3, call, 1, 255, lost, 0, 0])
    yield bytes([dive, 0, 12, *[answer, 0, 11, 0] * 6, gap, 3, 5, 0, 4, message, 0, 9])
    yield bytes([deep, 0, 70, 0, 11, 2, call, 1, 255, call, 0, 100])
    yield bytes(range(64))
    yield bytes(n * n % 251 for n in range(200))


def hosts():
    lists = ["*", "example.com, 10.0.0.0/8, ::1", "::ffff:198.51.100.0/120, fe80::1, a.b.", "localhost,,?,1.2.3.4/33"]
    cases = load("hosts", "cases")["cases"]
    for n, case in enumerate(cases):
        for text in (case["propagate_to"], lists[n % 4]):
            yield f"{text}\0{case['host']}".encode()


TARGETS = {
    "carriers": carriers, "clock": clocks, "clock_v1": vectors_of_v1, "context": requests, "host_list": hosts,
    "member": members, "program": programs, "trace_context": field_lists,
}


def main(folder):
    for target, seeds in TARGETS.items():
        corpus = Path(folder) / target
        corpus.mkdir(parents=True, exist_ok=True)
        for n, seed in enumerate(seeds()):
            data = seed if isinstance(seed, bytes) else seed.encode("latin-1", "replace")
            (corpus / f"seed-{n}").write_bytes(data)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
