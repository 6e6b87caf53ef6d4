"""The same measurements as bench/queue_bench.ts, by Python's multiprocessing.

Prints one JSON object: name -> messages per second. Started by bench/peers/python.ts where a python3 is found.
"""
import json
import multiprocessing as mp
import sys
import time

COUNT = 50_000


def put_all(queue, count, item):
    for _ in range(count):
        queue.put(item)


def get_all(queue, count, done):
    for _ in range(count):
        queue.get()
    done.put(time.perf_counter())


def rate(queue, item, writers=1, readers=1, count=COUNT):
    done = mp.SimpleQueue()
    processes = [mp.Process(target=put_all, args=(queue, count // writers, item)) for _ in range(writers)]
    processes += [mp.Process(target=get_all, args=(queue, count // readers, done)) for _ in range(readers)]
    begun = time.perf_counter()
    for p in processes:
        p.start()
    ended = max(done.get() for _ in range(readers))
    for p in processes:
        p.join()
    if not queue.empty():
        sys.exit("items are left")
    return count / (ended - begun)


if __name__ == "__main__":
    item = {"id": 1, "name": "item"}
    print(json.dumps({
        "Queue, integers / s": rate(mp.Queue(), 1),
        "Queue(1000), integers / s": rate(mp.Queue(1000), 1),
        "SimpleQueue, integers / s": rate(mp.SimpleQueue(), 1),
        "Queue, small objects / s": rate(mp.Queue(), item),
        "Queue, integers, 4 writers, 4 readers / s": rate(mp.Queue(), 1, 4, 4),
    }))
