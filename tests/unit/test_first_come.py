"""Whoever waits longest is next."""

from __future__ import annotations

import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from joulewise.clock import MonotonicClock
from joulewise.jobs.first_come import FirstComeLock

CLOCK = MonotonicClock()


def until_waiting(lock, count):
    for _ in range(10_000):
        if len(lock._waiting) == count:
            return
        CLOCK.sleep(0.001)
    raise AssertionError("nobody waits")


@given(st.lists(st.booleans(), max_size=8))
@settings(max_examples=20, deadline=None)
def test_the_lock_is_handed_on_in_the_order_of_asking_past_those_who_gave_up(patient):
    lock, got, threads = FirstComeLock(), [], []

    def wait(number, timeout_s):
        if lock.acquire(timeout_s):
            got.append(number)
            lock.release()

    with lock:
        for number, stays in enumerate(patient):
            thread = threading.Thread(target=wait, args=(number, -1.0 if stays else 0.001))
            thread.start()
            if stays:
                until_waiting(lock, sum(patient[: number + 1]))
                threads.append(thread)
            else:
                thread.join()
    for thread in threads:
        thread.join()
    assert got == [number for number, stays in enumerate(patient) if stays]
    assert lock.acquire(0.0)


def test_nobody_is_inside_with_another():
    lock, seen, inside = FirstComeLock(), [], [0]

    def work():
        for turn in range(200):
            if turn % 3 == 0 and not lock.acquire(0.0):
                continue
            if turn % 3:
                lock.acquire()
            inside[0] += 1
            seen.append(inside[0])
            inside[0] -= 1
            lock.release()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {1}
    assert lock.acquire(0.0)
