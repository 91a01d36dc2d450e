"""Writes carriers.json.

usage: make_carrier_vectors.py SEED FOLDER (SEED 1: the plain values; others vary ids)
"""
import json
import pathlib
import sys

from carriers import Dropped, read_b3, read_baggage, read_timeout
from make_context_vectors import ids


def outcome(read, *fields):
    try:
        return read(*fields)
    except Dropped as dropped:
        return {"dropped": str(dropped)}


def timeouts():
    yield from (("plain", ["1500"], []), ("none", [], []), ("zero", ["0"], []), ("one", ["1"], []), ("two fields", ["5", "5"], []))
    yield from (("eight digits", ["99999999"], []), ("nine digits", ["100000000"], []), ("leading zeros", ["0005"], []))
    yield from ((f"not a number: {text!r}", [text], []) for text in ("", "-1", "+1", "1.5", "1e3", "5 ms", "٣", "0x10", "5,5"))
    yield "blanks around", [" 20\t"], []
    yield from ((f"gRPC, {text!r}", [], [text]) for text in ("1H", "2M", "3S", "4m", "5000u", "999u", "7000000n", "0S", "100000000m", "5", "m", "5s", "-5m", "5mm"))
    yield "gRPC, two fields", [], ["1S", "1S"]
    yield "ours before gRPC's", ["10"], ["1S"]
    yield "ours is bad, gRPC's is not looked at", ["bad"], ["1S"]


def b3(trace, span):
    both = f"{trace}-{span}"
    for name, text in {
        "plain": f"{both}-1", "not sampled": f"{both}-0", "debug": f"{both}-d", "deferred": both, "with parent": f"{both}-1-{span}",
        "short trace id": f"{trace[16:]}-{span}-1", "17 digits": f"{trace[15:]}-{span}-1", "upper case": f"{trace.upper()}-{span}-1",
        "zero trace id": f"{'0' * 32}-{span}-1", "zero span id": f"{trace}-{'0' * 16}-1", "deny": "0", "accept": "1", "debug alone": "d",
        "word": "true", "empty": "", "sampled is a word": f"{both}-true", "short parent": f"{both}-1-{span[1:]}", "five parts": f"{both}-1-{span}-1",
        "two in one field": f"{both}-1,{both}-1", "blanks around": f" {both}-1 ",
    }.items():
        yield f"single, {name}", [text], {}
    yield "single, two fields", [f"{both}-1"] * 2, {}
    plain = {"x-b3-traceid": [trace], "x-b3-spanid": [span], "x-b3-sampled": ["1"]}
    yield "none", [], {}
    yield "multi, plain", [], plain
    for name, change in {
        "not sampled": {"x-b3-sampled": ["0"]}, "word": {"x-b3-sampled": ["true"]}, "no": {"x-b3-sampled": ["false"]}, "d": {"x-b3-sampled": ["d"]},
        "deferred": {"x-b3-sampled": []}, "debug": {"x-b3-sampled": [], "x-b3-flags": ["1"]}, "debug wins": {"x-b3-sampled": ["0"], "x-b3-flags": ["1"]},
        "flags 0": {"x-b3-flags": ["0"]}, "flags 2": {"x-b3-flags": ["2"]}, "no span id": {"x-b3-spanid": []}, "no trace id": {"x-b3-traceid": []},
        "short trace id": {"x-b3-traceid": [trace[16:]]}, "two trace ids": {"x-b3-traceid": [trace, trace]}, "bad span id": {"x-b3-spanid": ["xyz"]},
        "blanks around": {"x-b3-traceid": [f" {trace}\t"]},
    }.items():
        yield f"multi, {name}", [], {**plain, **change}
    yield "multi, the decision alone", [], {"x-b3-sampled": ["0"]}
    yield "single wins over multi", [f"{both}-0"], plain


def baggage():
    yield from (("none", []), ("empty", [""]), ("plain", ["a=1"]), ("two members", ["a=1, b=2"]), ("two fields", ["a=1", "b=2"]))
    yield from (("properties", ["a=1;p;q=2 ; r = 3"]), ("percent", ["user=%C3%A4%20b%2"]), ("not UTF-8", ["a=%ff"]), ("empty value", ["a="]))
    yield from (("blanks", [" a = 1 ,\tb=2 "]), ("empty members", [",a=1,,b=2,"]), ("the same key twice", ["a=1,a=2"]), ("equals in value", ["a=b=c"]))
    yield from ((f"bad: {text!r}", [text]) for text in ("a", "=1", "a b=1", 'a="1"', "a=1 2", "a=\\", "a=1;", "a=ä", "a=1;=2", "a=1;p q"))
    yield from (("64 members", [",".join(f"k{n}=1" for n in range(64))]), ("65 members", [",".join(f"k{n}=1" for n in range(65))]))
    yield from (("8192 bytes", ["a=" + "x" * 8190]), ("8193 bytes", ["a=" + "x" * 8191]), ("8193 bytes in two fields", ["a=" + "x" * 4094, "b=" + "x" * 4094]))


def main():
    seed, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
    trace, span = ids(seed)
    cases = {
        "about": "edge.md: what is read. `dropped`: the reason; null: nothing there. In: the fields of each name, in order.",
        "timeout": [
            {"name": name, "towline-timeout": own, "grpc-timeout": grpc, "milliseconds": outcome(read_timeout, own, grpc)}
            for name, own, grpc in timeouts()
        ],
        "b3": [
            {"name": name, "b3": single, "multi": multi, "read": _b3(outcome(read_b3, single, multi))} for name, single, multi in b3(trace, span)
        ],
        "baggage": [{"name": name, "baggage": fields, "read": _baggage(outcome(read_baggage, fields))} for name, fields in baggage()],
    }
    (folder / "carriers.json").write_text(json.dumps(cases, indent=1, ensure_ascii=True) + "\n")


def _b3(read):
    return read if read is None or isinstance(read, dict) else read._asdict()


def _baggage(read):
    return read if isinstance(read, dict) else {"text": read[0], "members": [list(pair) for pair in read[1]]}


if __name__ == "__main__":
    main()
