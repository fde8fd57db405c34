"""No chat waits for another, a chat's own order is kept, and floods are cut off."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from cloud.bot.lanes import KNOWN, STRANGER, STRANGERS_WAITING, Admission, Lanes, Letter


class Desk:
    """Deals with letters when it is told to, and keeps what it began and ended."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.now = 1_000.0
        self._gates: dict[int, asyncio.Event] = {}
        self.changed = asyncio.Condition()

    def clock(self) -> float:
        """A clock that goes on a little whenever it is looked at."""
        self.now += 0.001
        return self.now

    async def __call__(self, letter: Letter) -> None:
        async with self.changed:
            self.begun.append(letter.number)
            self.changed.notify_all()
        if letter.content == "waits":
            await self._gates.setdefault(letter.number, asyncio.Event()).wait()
        if letter.content == "breaks":
            raise RuntimeError("a handler broke")
        async with self.changed:
            self.ended.append(letter.number)
            self.changed.notify_all()

    def let_go(self, number: int) -> None:
        self._gates.setdefault(number, asyncio.Event()).set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(holds), 30)


@pytest.fixture
async def desk() -> Desk:
    return Desk()


@pytest.fixture
async def lanes(desk: Desk) -> AsyncIterator[Lanes]:
    lanes = Lanes(desk, strangers_per_second=1_000_000, clock=desk.clock)
    running = asyncio.create_task(lanes.run())
    yield lanes
    running.cancel()
    await lanes.close(0.0)


def letter(
    number: int, chat: str = "1", content: str = "", *, known: bool = True, admitted: bool = False
) -> Letter:
    return Letter(number, chat, chat, known, content, admitted=admitted)


async def test_a_chat_that_takes_long_keeps_no_other_waiting(lanes: Lanes, desk: Desk) -> None:
    lanes.put(letter(1, "slow", "waits"))
    lanes.put(letter(2, "slow"))
    lanes.put(letter(3, "quick"))
    await desk.until(lambda: desk.ended == [3])
    assert desk.begun == [1, 3]
    desk.let_go(1)
    await desk.until(lambda: desk.ended == [3, 1, 2])


async def test_what_breaks_keeps_the_next_of_its_chat_from_nothing(
    lanes: Lanes, desk: Desk
) -> None:
    broken = letter(1, content="breaks")
    lanes.put(broken)
    lanes.put(letter(2))
    await desk.until(lambda: desk.ended == [2])
    assert broken.dealt_with.done()


async def test_somebody_known_goes_before_strangers_who_came_first(desk: Desk) -> None:
    lanes = Lanes(desk, strangers_per_second=0.001, clock=desk.clock)
    running = asyncio.create_task(lanes.run())
    for number in range(3):
        lanes.put(letter(number, f"stranger {number}", known=False))
    lanes.put(letter(9, "staff"))
    await desk.until(lambda: desk.ended == [9, 0] or desk.ended == [0, 9])
    # A stranger who then comes with a good code takes what they said before along.
    lanes.put(letter(10, "stranger 2"))
    await desk.until(lambda: desk.ended[2:] == [2, 10])
    running.cancel()
    await lanes.close(0.0)


async def test_a_senders_flood_is_cut_off_and_said_once(lanes: Lanes, desk: Desk) -> None:
    said = [lanes.admit("1", "1", known=False) for _ in range(60)]
    assert said[: STRANGER.waiting] == [Admission.TAKEN] * STRANGER.waiting
    assert said[STRANGER.waiting] is Admission.SLOW_DOWN
    assert set(said[STRANGER.waiting + 1 :]) == {Admission.DROPPED}
    assert lanes.admit("2", "2", known=False) is Admission.TAKEN
    assert lanes.admit("1", "another in this group", known=False) is Admission.TAKEN


async def test_a_sender_whose_messages_were_dealt_with_may_send_again(
    lanes: Lanes, desk: Desk
) -> None:
    for number in range(STRANGER.waiting):
        assert lanes.admit("1", "1", known=False) is Admission.TAKEN
        lanes.put(letter(number, known=False, admitted=True))
    await desk.until(lambda: len(desk.ended) == STRANGER.waiting)
    assert lanes.admit("1", "1", known=False) is Admission.TAKEN


async def test_in_a_minute_a_sender_may_send_so_many(lanes: Lanes, desk: Desk) -> None:
    async def sent(seconds: int) -> int:
        before = len(desk.ended)
        for _ in range(seconds):
            desk.now += 1
            if lanes.admit("1", "1", known=False) is Admission.TAKEN:
                ended = len(desk.ended)
                lanes.put(letter(ended, known=False, admitted=True))
                await desk.until(lambda ended=ended: len(desk.ended) > ended)  # type: ignore[misc]
        return len(desk.ended) - before

    assert STRANGER.burst <= await sent(60) <= STRANGER.burst + STRANGER.per_minute
    assert await sent(60) in range(STRANGER.per_minute - 1, STRANGER.per_minute + 2)


async def test_a_guard_may_have_more_waiting(lanes: Lanes) -> None:
    said = [lanes.admit("1", "1", known=True) for _ in range(KNOWN.waiting + 1)]
    assert said.count(Admission.TAKEN) == KNOWN.waiting


async def test_strangers_together_fill_no_more_than_their_room(lanes: Lanes) -> None:
    said = [lanes.admit(str(chat), str(chat), known=False) for chat in range(1_500)]
    assert said.count(Admission.TAKEN) == STRANGERS_WAITING
    assert lanes.admit("guard", "guard", known=True) is Admission.TAKEN


async def test_at_the_end_what_is_in_hand_is_waited_for_and_the_rest_is_not_begun(
    desk: Desk,
) -> None:
    lanes = Lanes(desk, strangers_per_second=1_000, clock=desk.clock)
    running = asyncio.create_task(lanes.run())
    in_hand, late, waiting = letter(1, "1", "waits"), letter(2, "2", "waits"), letter(3, "2")
    for each in (in_hand, late, waiting):
        lanes.put(each)
    await desk.until(lambda: len(desk.begun) == 2)
    running.cancel()
    desk.let_go(1)
    await lanes.close(0.2)
    assert desk.ended == [1]
    assert in_hand.dealt_with.done()
    assert not in_hand.dealt_with.cancelled()
    assert late.dealt_with.cancelled()
    assert waiting.dealt_with.cancelled()
