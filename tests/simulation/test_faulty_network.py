"""Each fault by itself: what the server gets, what the caller learns, and when."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from solidb_sync.testing.faulty_network import (
    LATE_SECONDS_MAX,
    TIMEOUT_SECONDS,
    Answer,
    Faults,
    FaultyNetwork,
    NetworkError,
    Request,
    asgi_send,
)
from solidb_sync.testing.virtual_loop import VirtualClockLoop, run

REQUEST = Request("POST", "/sync", headers=(("content-length", "10"),), body=b"0123456789")


class EchoServer:
    """Remembers what arrived when, and answers with the body twice."""

    def __init__(self) -> None:
        self.arrived: list[tuple[float, bytes]] = []
        self.work_seconds = 0.0
        self.finished = 0

    async def send(self, request: Request) -> Answer:
        self.arrived.append((asyncio.get_running_loop().time(), request.body))
        await asyncio.sleep(self.work_seconds)
        self.finished += 1
        return Answer(200, request.headers, request.body * 2)


Story = Callable[[FaultyNetwork, EchoServer], Awaitable[object]]


def _tell(story: Story, faults: Faults, seed: int = 0) -> EchoServer:
    """Run a story over a network with these faults and return the server to be asked about it."""
    loop, server = VirtualClockLoop(), EchoServer()

    async def main() -> None:
        await story(FaultyNetwork(loop, random.Random(seed), faults), server)

    run(main(), loop=loop)
    return server


def _now() -> float:
    return asyncio.get_running_loop().time()


def test_without_faults_everything_arrives_at_once_and_is_counted() -> None:
    """The network by itself adds nothing and takes no time."""

    async def story(network: FaultyNetwork, server: EchoServer) -> None:
        for _ in range(3):
            assert await network.call(server.send, REQUEST) == Answer(200, REQUEST.headers, REQUEST.body * 2)
        traffic = network.traffic
        assert (traffic.requests, traffic.request_bytes, traffic.answers, traffic.answer_bytes) == (3, 30, 3, 60)
        assert (traffic.failures, traffic.late_requests) == (0, 0)

    assert _tell(story, Faults()).arrived == [(0.0, REQUEST.body)] * 3


def test_a_lost_request_times_out_and_never_arrives() -> None:
    """The caller waits out its timeout for nothing."""

    async def story(network: FaultyNetwork, server: EchoServer) -> None:
        with pytest.raises(NetworkError, match="request was lost"):
            await network.call(server.send, REQUEST)
        assert _now() == TIMEOUT_SECONDS
        assert network.traffic.failures == 1

    assert _tell(story, Faults(lose_request=1)).arrived == []


def test_a_lost_answer_times_out_though_the_server_did_the_work() -> None:
    """The same error as for a lost request, with the opposite effect."""

    async def story(network: FaultyNetwork, server: EchoServer) -> None:
        with pytest.raises(NetworkError, match="answer was lost"):
            await network.call(server.send, REQUEST)
        assert _now() == TIMEOUT_SECONDS

    assert _tell(story, Faults(lose_answer=1)).finished == 1


def test_a_duplicate_arrives_once_more_in_the_background() -> None:
    """The caller has its answer at once; the same bytes come again, sometimes much later."""
    delays = []
    for seed in range(40):

        async def story(network: FaultyNetwork, server: EchoServer) -> None:
            await network.call(server.send, REQUEST)
            assert _now() <= 2
            await network.settle()
            assert network.traffic.late_requests == 1

        server = _tell(story, Faults(duplicate=1, delay_max_seconds=1), seed)
        assert [body for _, body in server.arrived] == [REQUEST.body] * 2
        delays.append(server.arrived[1][0] - server.arrived[0][0])
    assert min(delays) < 1
    assert LATE_SECONDS_MAX / 2 < max(delays) <= LATE_SECONDS_MAX


def test_a_request_given_up_as_lost_may_arrive_later() -> None:
    """With duplicates a lost request is only late: it arrives when the caller may have gone on."""

    async def story(network: FaultyNetwork, server: EchoServer) -> None:
        with pytest.raises(NetworkError):
            await network.call(server.send, REQUEST)
        await network.settle()

    arrivals = [_tell(story, Faults(lose_request=1, duplicate=1), seed).arrived for seed in range(20)]
    assert all(len(arrived) == 1 for arrived in arrivals)
    assert max(arrived[0][0] for arrived in arrivals) > TIMEOUT_SECONDS


def test_delays_reorder_requests_under_way_together() -> None:
    """Ten requests sent at once arrive in another order, within the longest delay."""

    async def story(network: FaultyNetwork, server: EchoServer) -> None:
        requests = [Request("POST", "/", body=b"%d" % number) for number in range(10)]
        answers = await asyncio.gather(*(network.call(server.send, request) for request in requests))
        assert [answer.body for answer in answers] == [request.body * 2 for request in requests]
        assert 5 < _now() <= 10

    arrived = _tell(story, Faults(delay_max_seconds=5)).arrived
    assert sorted(body for _, body in arrived) != [body for _, body in arrived]
    assert all(0 < seconds <= 5 for seconds, _ in arrived)


def test_a_truncated_request_keeps_its_headers_and_loses_its_end() -> None:
    """Only the content-length tells the server."""
    lengths = set()
    for seed in range(100):

        async def story(network: FaultyNetwork, server: EchoServer) -> None:
            answer = await network.call(server.send, REQUEST)
            assert answer.headers == REQUEST.headers

        [(_, body)] = _tell(story, Faults(truncate_request=1), seed).arrived
        assert REQUEST.body.startswith(body)
        lengths.add(len(body))
    assert lengths == set(range(10))


def test_a_truncated_answer_is_shorter_than_it_says() -> None:
    """The server sent it whole; an empty body has nothing to lose."""

    async def story(network: FaultyNetwork, server: EchoServer) -> None:
        answer = await network.call(server.send, REQUEST)
        assert (REQUEST.body * 2).startswith(answer.body)
        assert len(answer.body) < 20
        assert (await network.call(server.send, Request("GET", "/"))).body == b""

    assert [body for _, body in _tell(story, Faults(truncate_answer=1)).arrived] == [REQUEST.body, b""]


def test_a_partition_cuts_what_is_sent_and_what_is_under_way() -> None:
    """A new request and an answer on its way back are both lost, until the sides are joined again."""

    async def story(network: FaultyNetwork, server: EchoServer) -> None:
        server.work_seconds = 5
        under_way = asyncio.create_task(network.call(server.send, REQUEST))
        await asyncio.sleep(1)
        network.partition(True)
        with pytest.raises(NetworkError, match="answer was lost"):
            await under_way
        assert server.finished == 1
        with pytest.raises(NetworkError, match="request was lost"):
            await network.call(server.send, REQUEST)
        network.partition(False)
        await network.call(server.send, REQUEST)

    assert _tell(story, Faults()).finished == 2


def test_a_partition_swallows_late_duplicates() -> None:
    """A duplicate that was to arrive during the partition never does."""

    async def story(network: FaultyNetwork, server: EchoServer) -> None:
        async def send_as_the_link_breaks(request: Request) -> Answer:
            network.partition(True)
            return await server.send(request)

        with pytest.raises(NetworkError):
            await network.call(send_as_the_link_breaks, REQUEST)
        await network.settle()

    faults = Faults(duplicate=1, delay_max_seconds=10)
    assert [len(_tell(story, faults, seed).arrived) for seed in range(10)] == [1] * 10


def test_healing_joins_the_sides_and_removes_all_faults() -> None:
    """After it every call succeeds at once."""

    async def story(network: FaultyNetwork, server: EchoServer) -> None:
        network.partition(True)
        network.heal()
        await asyncio.gather(*(network.call(server.send, REQUEST) for _ in range(50)))
        assert _now() == 0

    assert _tell(story, Faults(0.5, 0.5, 0.5, 10, 0.5, 0.5)).finished == 50


def test_a_caller_that_is_cancelled_does_not_stop_the_server() -> None:
    """A client that dies in mid-request may have done its work."""

    async def story(network: FaultyNetwork, server: EchoServer) -> None:
        server.work_seconds = 5
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(network.call(server.send, REQUEST), 1)
        assert server.finished == 0
        await network.settle()
        assert _now() == 5

    assert _tell(story, Faults()).finished == 1


def test_a_server_that_is_stopped_leaves_its_callers_without_an_answer() -> None:
    """The work is cancelled where it stands; the caller sees a timeout, not a cancellation."""

    async def story(network: FaultyNetwork, server: EchoServer) -> None:
        server.work_seconds = 5
        call = asyncio.create_task(network.call(server.send, REQUEST))
        await asyncio.sleep(1)
        network.stop_handling()
        with pytest.raises(NetworkError, match="the server stopped"):
            await call
        assert _now() == 1 + TIMEOUT_SECONDS

    server = _tell(story, Faults())
    assert (len(server.arrived), server.finished) == (1, 0)


def test_an_error_of_the_server_reaches_its_caller() -> None:
    """A bug in the server is not taken for a bad network."""

    async def fail(request: Request) -> Answer:
        raise KeyError(request.path)

    async def story(network: FaultyNetwork, server: EchoServer) -> None:
        with pytest.raises(KeyError, match="/sync"):
            await network.call(fail, REQUEST)
        await network.settle()

    _tell(story, Faults())


def test_an_error_of_the_server_on_a_duplicate_is_raised_by_settle() -> None:
    """Nobody waits for a duplicate, so its failure waits for `settle`; it is raised once."""
    paths: list[str] = []

    async def fail_on_the_second(request: Request) -> Answer:
        paths.append(request.path)
        if len(paths) == 2:
            raise KeyError("second")
        return Answer(200)

    async def story(network: FaultyNetwork, server: EchoServer) -> None:
        await network.call(fail_on_the_second, REQUEST)
        with pytest.raises(ExceptionGroup) as raised:
            await network.settle()
        assert [str(error) for error in raised.value.exceptions] == ["'second'"]
        await network.settle()

    _tell(story, Faults(duplicate=1))
    assert len(paths) == 2


def test_one_seed_gives_the_same_traffic_and_another_seed_other() -> None:
    """All chance is the generator's and all time the loop's."""

    async def story(network: FaultyNetwork, server: EchoServer) -> None:
        calls = [network.call(server.send, Request("POST", "/", body=bytes(number))) for number in range(100)]
        await asyncio.gather(*calls, return_exceptions=True)
        await network.settle()

    faults = Faults(0.2, 0.2, 0.2, 3, 0.2, 0.2)
    traces = [_tell(story, faults, seed).arrived for seed in (5, 5, 6)]
    assert len(traces[0]) > 60
    assert traces[0] == traces[1]
    assert traces[0] != traces[2]


def test_an_app_that_does_not_answer_is_an_error() -> None:
    """The ASGI adapter reports an app that returns in silence."""

    async def silent(scope: object, receive: object, send: object) -> None:
        return

    with pytest.raises(RuntimeError, match="without an answer"):
        run(asgi_send(silent)(REQUEST))
