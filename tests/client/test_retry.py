"""Backoff and the background loop: jittered, doubling, bounded, and repeatable."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solidb_sync.client.background_loop import BackgroundLoop, RoundReport
from solidb_sync.client.results import SyncResult
from solidb_sync.client.retry import BASE_SECONDS, CAP_SECONDS, RETRY_AFTER_SECONDS_MAX, Backoff
from solidb_sync.testing.virtual_loop import run


@given(st.integers(0, 2**32), st.integers(1, 200))
def test_a_delay_is_between_zero_and_the_doubled_bound(seed: int, failures: int) -> None:
    delay = Backoff(random.Random(seed)).delay_seconds(failures)
    assert 0 <= delay <= min(CAP_SECONDS, BASE_SECONDS * 2 ** (failures - 1))


def test_delays_spread_over_the_whole_range() -> None:
    backoff = Backoff(random.Random(3))
    delays = sorted(backoff.delay_seconds(20) for _ in range(1000))
    assert delays[0] < CAP_SECONDS / 50
    assert delays[-1] > CAP_SECONDS * 0.98


def test_the_server_is_never_asked_sooner_than_it_said() -> None:
    backoff = Backoff(random.Random(3))
    assert all(backoff.delay_seconds(1, retry_after_seconds=17) >= 17 for _ in range(100))
    assert backoff.delay_seconds(1, retry_after_seconds=10**9) <= RETRY_AFTER_SECONDS_MAX


class Rounds:
    """Rounds with outcomes given beforehand; notes when each ran."""

    def __init__(self, outcomes: list[RoundReport]) -> None:
        self.outcomes = outcomes
        self.times: list[float] = []

    async def __call__(self) -> RoundReport:
        self.times.append(asyncio.get_running_loop().time())
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]


def report(
    *, failed: bool, retryable: bool = True, retry_after: float | None = None, pushed: int = 0, **why: bool
) -> RoundReport:
    return RoundReport(SyncResult(success=not failed, pushed=pushed), failed, retryable, retry_after, **why)


UNREACHABLE = report(failed=True, is_unreachable=True)
NO_CREDENTIALS = report(failed=True, retryable=False, needs_credentials=True)
FINE = report(failed=False)


class Server:
    """What a look for the server finds; notes when each look was taken."""

    def __init__(self, back_after: float = float("inf")) -> None:
        self.back_after = back_after
        self.times: list[float] = []

    async def __call__(self) -> bool:
        now = asyncio.get_running_loop().time()
        self.times.append(now)
        return now >= self.back_after


def loop_over(
    rounds: Rounds, *, online: bool = True, max_retries: int = 5, interval: float = 30, server: Server | None = None
) -> BackgroundLoop:
    return BackgroundLoop(
        rounds,
        interval_seconds=interval,
        max_retries=max_retries,
        backoff=Backoff(random.Random(1)),
        is_online_by_hand=lambda: online,
        probe=server or Server(),
    )


async def let_run(loop: BackgroundLoop, seconds: float) -> None:
    running = asyncio.ensure_future(loop.run())
    await asyncio.sleep(seconds)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_a_round_runs_at_once_and_then_at_every_interval() -> None:
    rounds = Rounds([report(failed=False)])

    async def scenario() -> None:
        begun = asyncio.get_running_loop().time()
        await let_run(loop_over(rounds), 100)
        assert [round(time - begun) for time in rounds.times] == [0, 30, 60, 90]

    run(scenario())


def test_while_the_server_is_down_the_attempts_thin_out() -> None:
    rounds = Rounds([report(failed=True)])

    async def scenario() -> None:
        loop = loop_over(rounds)
        saving = asyncio.ensure_future(_keep_waking(loop))
        await let_run(loop, 3600)
        saving.cancel()

    run(scenario())
    # 5 quick retries, then never more often than the interval of 30 s
    assert len(rounds.times) <= 1 + 5 + 3600 / 30
    assert all(later - earlier >= 29.999 for earlier, later in zip(rounds.times[6:], rounds.times[7:], strict=False))


async def _keep_waking(loop: BackgroundLoop) -> None:
    while True:
        loop.wake()
        await asyncio.sleep(0.1)


def test_success_ends_the_backoff_and_saves_are_sent_at_once_again() -> None:
    rounds = Rounds([report(failed=True), report(failed=True), report(failed=False)])

    async def scenario() -> None:
        loop = loop_over(rounds)
        running = asyncio.ensure_future(loop.run())
        await asyncio.sleep(20)
        assert (len(rounds.times), loop.consecutive_failures) == (3, 0)
        loop.wake()
        await asyncio.sleep(0.001)
        assert len(rounds.times) == 4
        running.cancel()

    run(scenario())


def test_rounds_that_fail_after_getting_somewhere_are_tried_again_soon() -> None:
    """On a network that loses every third request a long backlog must not wait for the interval again and again."""
    rounds = Rounds([report(failed=True, pushed=100)])

    async def scenario() -> None:
        await let_run(loop_over(rounds), 100)

    run(scenario())
    assert len(rounds.times) > 100 / BASE_SECONDS
    assert all(later - earlier <= BASE_SECONDS for earlier, later in zip(rounds.times, rounds.times[1:], strict=False))


def test_retry_after_is_honoured_by_the_loop() -> None:
    rounds = Rounds([report(failed=True, retry_after=120), report(failed=False)])

    async def scenario() -> None:
        await let_run(loop_over(rounds), 200)

    run(scenario())
    assert rounds.times[1] - rounds.times[0] >= 120


def test_what_can_not_be_mended_by_waiting_is_not_retried_quickly() -> None:
    rounds = Rounds([report(failed=True, retryable=False)])

    async def scenario() -> None:
        await let_run(loop_over(rounds), 100)

    run(scenario())
    assert all(later - earlier >= 29.999 for earlier, later in zip(rounds.times, rounds.times[1:], strict=False))


def test_offline_by_hand_no_round_runs() -> None:
    rounds = Rounds([report(failed=False)])

    async def scenario() -> None:
        await let_run(loop_over(rounds, online=False), 1000)

    run(scenario())
    assert rounds.times == []


@pytest.mark.parametrize("retries", [0, 3])
def test_the_number_of_quick_retries_is_the_setting(retries: int) -> None:
    rounds = Rounds([report(failed=True)])

    async def scenario() -> None:
        await let_run(loop_over(rounds, max_retries=retries), 29)

    run(scenario())
    assert len(rounds.times) == 1 + retries


def test_a_round_refused_for_its_credentials_spends_no_retry_and_waits_for_the_interval() -> None:
    """5.16: other credentials may come at any time; until then the server is asked no more often than ever."""
    refused = RoundReport(SyncResult(success=False), True, False, None, needs_credentials=True)
    rounds = Rounds([refused])

    async def scenario() -> None:
        loop = loop_over(rounds)
        await let_run(loop, 100)
        assert loop.consecutive_failures == 0

    run(scenario())
    assert [round(later - earlier) for earlier, later in zip(rounds.times, rounds.times[1:], strict=False)] == [30, 30, 30]


def test_another_interval_counts_from_the_last_round() -> None:
    """N5: shorter and longer, in the middle of a wait; what was saved at the same moment is still sent at once."""
    rounds = Rounds([report(failed=False)])

    async def scenario() -> None:
        loop = loop_over(rounds)
        begun = asyncio.get_running_loop().time()
        running = asyncio.ensure_future(loop.run())
        await asyncio.sleep(3)
        loop.set_interval(10)
        await asyncio.sleep(12)
        loop.set_interval(100)
        await asyncio.sleep(100)
        loop.set_interval(50)
        loop.wake()
        await asyncio.sleep(1)
        running.cancel()
        assert [round(time - begun) for time in rounds.times] == [0, 10, 110, 115]

    run(scenario())


@pytest.mark.parametrize("seed", range(20))
def test_the_retry_law_holds_for_every_seed(seed: int) -> None:
    """37, L2: the wait after failure n is within [0, min(cap, base * 2**(n-1))], then the interval; success begins anew."""
    chance = random.Random(seed)
    max_retries = chance.randint(0, 8)
    failures = chance.randint(1, 12)
    rounds = Rounds([report(failed=True)] * failures + [report(failed=False)])

    async def scenario() -> None:
        loop = BackgroundLoop(
            rounds,
            interval_seconds=30,
            max_retries=max_retries,
            backoff=Backoff(chance),
            is_online_by_hand=lambda: True,
            probe=Server(),
        )
        await let_run(loop, 3600)
        assert loop.consecutive_failures == 0

    run(scenario())
    waits = [later - earlier for earlier, later in zip(rounds.times, rounds.times[1:], strict=False)]
    for number, wait in enumerate(waits[:failures], start=1):
        ceiling = min(CAP_SECONDS, BASE_SECONDS * 2 ** (number - 1))
        if number <= max_retries:
            assert wait <= ceiling + 1e-6
        else:
            assert 30 - 1e-6 <= wait <= max(30, ceiling) + 1e-6
    assert all(abs(wait - 30) < 1e-6 for wait in waits[failures:])


def gaps(times: list[float]) -> list[float]:
    """Return the times between."""
    return [later - earlier for earlier, later in itertools.pairwise(times)]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 12), st.floats(1, 3600))
def test_a_dead_server_is_asked_no_more_often_than_the_law_says(seed: int, retries: int, interval: float) -> None:
    """37: after k failures a wait of at most min(cap, base * 2^k), at random; after the last retry exactly the interval."""
    rounds = Rounds([UNREACHABLE])
    seconds = 10 * interval + 600

    async def scenario() -> None:
        loop = BackgroundLoop(
            rounds,
            interval_seconds=interval,
            max_retries=retries,
            backoff=Backoff(random.Random(seed)),
            is_online_by_hand=lambda: True,
            probe=Server(),
        )
        await let_run(loop, seconds)

    run(scenario())
    quick, patient = gaps(rounds.times)[:retries], gaps(rounds.times)[retries:]
    assert all(gap <= min(CAP_SECONDS, BASE_SECONDS * 2**number) + 0.001 for number, gap in enumerate(quick))
    assert all(abs(gap - interval) < 0.001 for gap in patient)
    assert len(rounds.times) <= 1 + retries + seconds / interval + 1


def test_after_the_retries_the_normal_interval_holds_and_goes_on_for_ever() -> None:
    """L2, DEC-6: not the doubled delays."""
    rounds = Rounds([UNREACHABLE])

    async def scenario() -> None:
        await let_run(loop_over(rounds, max_retries=2, interval=1), 1000)

    run(scenario())
    assert {round(gap, 3) for gap in gaps(rounds.times)[2:]} == {1}
    assert len(rounds.times) > 900


def test_want_of_credentials_uses_up_no_retry_and_is_tried_at_the_interval() -> None:
    """5.16: however often it failed for that, the quick retries are all there when the network fails."""
    rounds = Rounds([NO_CREDENTIALS] * 9 + [UNREACHABLE] * 3 + [FINE])

    async def scenario() -> None:
        loop = loop_over(rounds, max_retries=3)
        saving = asyncio.ensure_future(_keep_waking(loop))
        await let_run(loop, 280)
        saving.cancel()

    run(scenario())
    waits = gaps(rounds.times)
    assert {round(gap, 3) for gap in waits[:9]} == {30}
    assert all(gap <= BASE_SECONDS * 2**number for number, gap in enumerate(waits[9:12]))


def test_going_online_begins_the_counting_of_failures_again() -> None:
    """L2: SetOnline(true) resets."""
    rounds = Rounds([UNREACHABLE])

    async def scenario() -> int:
        loop = loop_over(rounds, max_retries=3)
        running = asyncio.ensure_future(loop.run())
        await asyncio.sleep(25)
        before = len(rounds.times)
        loop.wake_now()
        await asyncio.sleep(25)
        running.cancel()
        return before

    assert (run(scenario()), len(rounds.times)) == (4, 8)


def test_a_success_that_was_asked_for_by_hand_ends_the_waiting() -> None:
    """L2: saves are sent at once again, and the next round comes an interval later."""
    rounds = Rounds([UNREACHABLE] * 4 + [FINE])

    async def scenario() -> float:
        loop = loop_over(rounds, max_retries=3)
        running = asyncio.ensure_future(loop.run())
        await asyncio.sleep(25)
        loop.wake()
        await asyncio.sleep(0.001)
        assert len(rounds.times) == 4
        loop.note_success()
        noted = asyncio.get_running_loop().time()
        await asyncio.sleep(10)
        loop.wake()
        await asyncio.sleep(35)
        running.cancel()
        return noted

    noted = run(scenario())
    assert [round(time - noted) for time in rounds.times[4:]] == [10, 40]


def test_with_a_long_interval_an_unreachable_server_is_looked_for_and_found() -> None:
    """C9: at least every minute, by something smaller than a round; when it is there a round runs at once."""
    rounds, server = Rounds([UNREACHABLE] * 4 + [FINE]), Server(back_after=600)

    async def scenario() -> None:
        await let_run(loop_over(rounds, max_retries=3, interval=7 * 24 * 3600, server=server), 2000)

    run(scenario())
    assert all(CAP_SECONDS / 2 <= gap <= CAP_SECONDS for gap in gaps(server.times))
    assert rounds.times[4:] == [server.times[-1]]
    assert 600 <= server.times[-1] <= 660


@pytest.mark.parametrize("outcome", [FINE, NO_CREDENTIALS, report(failed=True)])
def test_a_server_that_answers_is_not_looked_for(outcome: RoundReport) -> None:
    server = Server()

    async def scenario() -> None:
        await let_run(loop_over(Rounds([outcome]), max_retries=1, interval=3600, server=server), 10_000)

    run(scenario())
    assert server.times == []


def test_another_interval_holds_at_once() -> None:
    """N5: counted from the last round, in a wait that a failure began too; but what the server asked for is kept to."""
    rounds = Rounds([FINE, FINE, FINE, report(failed=True, retryable=False), report(failed=True, retry_after=50)])

    async def scenario() -> None:
        loop = loop_over(rounds, interval=1000, max_retries=0)
        running = asyncio.ensure_future(loop.run())
        for seconds in (100, 10, 1000, 20, 5):
            await asyncio.sleep(5)
            loop.set_interval(seconds)
            await asyncio.sleep(100)
        running.cancel()

    run(scenario())
    begun = rounds.times[0]
    assert [round(time - begun) for time in rounds.times[:3]] == [0, 100, 110]
    assert min(gaps(rounds.times)[4:]) >= 50
