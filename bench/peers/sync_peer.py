"""The same measurements as bench/sync_bench.ts and bench/shared_bench.ts, by Python's multiprocessing.

Prints one JSON object: name -> nanoseconds per operation (uncontended) or operations per second (two processes).
Started by bench/peers/python.ts where a python3 is found.
"""
import json
import multiprocessing as mp
import sys
import time

INCREMENTS = 200_000
ROUNDS = 2_000


def uncontended(operation, count=200_000):
    best = None
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(count):
            operation()
        took = time.perf_counter() - start
        best = took if best is None else min(best, took)
    return best / count * 1e9


def increments(value, lock, start, count):
    start.wait()
    for _ in range(count):
        with lock:
            value.value += 1


def pong(ping_semaphore, pong_semaphore, rounds):
    for _ in range(rounds):
        ping_semaphore.acquire()
        pong_semaphore.release()


def two_processes(value, lock):
    start = mp.Barrier(3)
    processes = [mp.Process(target=increments, args=(value, lock, start, INCREMENTS)) for _ in range(2)]
    for p in processes:
        p.start()
    start.wait()
    begun = time.perf_counter()
    for p in processes:
        p.join()
    took = time.perf_counter() - begun
    if value.value != 2 * INCREMENTS:
        sys.exit(f"lost increments: {value.value}")
    return 2 * INCREMENTS / took


def ping_pong():
    a, b = mp.Semaphore(0), mp.Semaphore(0)
    p = mp.Process(target=pong, args=(a, b, ROUNDS))
    p.start()
    begun = time.perf_counter()
    for _ in range(ROUNDS):
        a.release()
        b.acquire()
    took = time.perf_counter() - begun
    p.join()
    return ROUNDS / took


if __name__ == "__main__":
    lock, rlock, semaphore = mp.Lock(), mp.RLock(), mp.Semaphore(1)

    def acquire_release(primitive):
        def operation():
            primitive.acquire()
            primitive.release()

        return operation

    value = mp.Value("d", 0.0)

    def add():
        with value.get_lock():
            value.value += 1

    raw = mp.RawValue("q", 0)
    print(json.dumps({
        "Lock acquire + release, ns": uncontended(acquire_release(lock)),
        "RLock acquire + release, ns": uncontended(acquire_release(rlock)),
        "Semaphore acquire + release, ns": uncontended(acquire_release(semaphore)),
        "Value('d') += 1 under its lock, ns": uncontended(add),
        "2 processes, guarded increments / s": two_processes(raw, mp.Lock()),
        "Semaphore round trips / s": ping_pong(),
    }))
