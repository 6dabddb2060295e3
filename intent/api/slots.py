"""A bounded number of worker threads between the event loop and work that blocks; abandoned work keeps its slot."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import anyio
from anyio import to_thread

T = TypeVar("T")


class Slots:
    """Runs work off the event loop, at most ``most`` pieces at once.

    Work that outlives its deadline is given up at once, but keeps its slot until its thread ends: abandoned work is counted, so that it
    cannot pile up.

    Parameters
    ----------
    most
        Slots, at least 1.
    queue_timeout_s, deadline_s
        Longest wait for a slot, and longest work in it, in seconds.
    """

    def __init__(self, most: int, queue_timeout_s: float, deadline_s: float) -> None:
        self._queue_timeout_s = queue_timeout_s
        self._deadline_s = deadline_s
        self._slots = anyio.CapacityLimiter(most)
        self._threads = anyio.CapacityLimiter(math.inf)

    @property
    def busy(self) -> int:
        """Slots taken now, abandoned work included."""
        return self._slots.borrowed_tokens

    async def run(self, work: Callable[[], T]) -> T:
        """Do ``work`` in a thread, with the context of the caller; its exceptions pass through.

        Raises
        ------
        TimeoutError
            If no slot was free in time, or the work passed its deadline; with a sentence that says which.
        """
        holder = object()
        with anyio.move_on_after(self._queue_timeout_s) as waiting:
            await self._slots.acquire_on_behalf_of(holder)
        if waiting.cancelled_caught:
            raise TimeoutError("no classifier was free in time")
        loop, started = asyncio.get_running_loop(), False

        def run() -> T:
            nonlocal started
            started = True
            try:
                return work()
            finally:
                with suppress(RuntimeError):  # the loop was closed while this was running; nobody waits for the slot
                    loop.call_soon_threadsafe(self._free, holder)

        try:
            with anyio.move_on_after(self._deadline_s):
                return await to_thread.run_sync(run, abandon_on_cancel=True, limiter=self._threads)
        finally:
            if not started:
                self._free(holder)
        raise TimeoutError("the call passed its deadline")

    def _free(self, holder: object) -> None:
        with suppress(RuntimeError):  # freed before: the thread began just after its caller had gone
            self._slots.release_on_behalf_of(holder)
