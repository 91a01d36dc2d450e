"""A user's project: a server and a client over loopback, with nothing but Towline and the standard library."""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, make_server

import towline.urllib
from towline import Clock, Config, Order, Propagator, Strand, Towline, current, fork, with_context

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    context = current()
    assert context is not None
    body = f"{context.trace_id} {context.parent_id}".encode()
    start_response("200 OK", [("content-length", str(len(body)))])
    return [body]


def main() -> None:
    front = Propagator(Config(service_name="front"))
    server = make_server(
        "127.0.0.1", 0, Towline(application, Propagator(Config(service_name="back"))), handler_class=Quiet
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        context = front.new_trace()
        opener = towline.urllib.build_opener()

        def fetch() -> str:
            with opener.open(f"http://127.0.0.1:{server.server_port}/", timeout=10) as response:
                text: str = response.read().decode()
                return text

        answers = [future.result() for future in with_context(context, lambda: [fork(fetch), fork(fetch)])]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert [answer.split()[0] for answer in answers] == [context.trace_id] * 2
    assert len({answer.split()[1] for answer in answers}) == 2
    first: Clock = Strand.start("a", "1", 1, trace_id=context.trace_id).stamp
    order: Order = first.compare(first)
    assert order is Order.EQUAL
    counters = front.counters
    assert [counters[key] for key in ("strand_start", "strand_end", "call_sent", "call_answered")] == [3, 2, 2, 2]
    assert counters.summary()["joined"] == counters.summary()["sent"] == 2


if __name__ == "__main__":
    main()
