"""The questions of bench/questions.ts that Python's multiprocessing can be asked, by multiprocessing.Pool.

Prints one line of JSON for each row (bench/rows.ts). Started by bench/python.ts where a python3 is found.
"""
import argparse
import json
import multiprocessing as mp
import time

WHO = "Python multiprocessing"
KB = 1024


def increment(n):
    return n + 1


def echo(value):
    return value


def burn(milliseconds):
    end = time.perf_counter() + milliseconds / 1000
    while time.perf_counter() < end:
        pass
    return milliseconds


def row(question, samples, workers, per=1, **more):
    samples = sorted(sample * 1e9 for sample in samples)
    last = len(samples) - 1

    def at(part):
        return samples[-int(-part * last // 1)]

    times = {
        "mean": sum(samples) / len(samples),
        "p50": (samples[last // 2] + samples[len(samples) // 2]) / 2,
        "p90": at(0.9),
        "p99": at(0.99),
        "min": samples[0],
        "max": samples[-1],
        "samples": len(samples),
    }
    extra = {} if per == 1 else {"per": per}
    print(json.dumps({"question": question, "who": WHO, "kind": "python", "workers": workers, "times": times, **extra, **more}),
          flush=True)


def sample(operation, budget, least):
    operation()
    samples = []
    begun = time.perf_counter()
    while len(samples) < least or time.perf_counter() - begun < budget:
        start = time.perf_counter()
        operation()
        samples.append(time.perf_counter() - start)
    return samples


def latency(options):
    with mp.Pool(1) as pool:
        row("latency/hot", sample(lambda: pool.apply(increment, (7,)), options.budget, 20), 1)
        samples = []
        for _ in range(25 if options.quick else 100):
            time.sleep(0.005)
            start = time.perf_counter()
            pool.apply(increment, (7,))
            samples.append(time.perf_counter() - start)
        row("latency/idle", samples, 1)


def throughput(options):
    for workers in sorted({1, options.workers}):
        with mp.Pool(workers) as pool:
            for calls in [10_000] if options.quick else [1000, 10_000, 100_000]:
                def flight():
                    for result in [pool.apply_async(increment, (n,)) for n in range(calls)]:
                        result.get()
                row("throughput/flight", sample(flight, options.budget, 2), workers, calls, x=calls)
    with mp.Pool(options.workers) as pool:
        items = list(range(100_000))
        assert pool.map(increment, items)[-1] == 100_000
        row("throughput/map", sample(lambda: pool.map(increment, items), options.budget, 3), options.workers, 100_000)
        some = list(range(10_000))
        for name, stream in ("imap", pool.imap), ("imapUnordered", pool.imap_unordered):
            row(f"throughput/{name}", sample(lambda: sum(stream(increment, some)), options.budget, 2), options.workers, 10_000)


def make(kind, size):
    if kind == "ascii":
        return ("The quick brown fox jumps. " * (size // 27 + 1))[:size]
    if kind == "text":
        text = "äöü λόγος слово 言葉 "
        return text * max(1, round(size / len(text.encode())))
    if kind == "bytes":
        return bytes(i * 7 % 256 for i in range(256)) * (size // 256) if size >= 256 else bytes(size)
    records = []
    length = 0
    while length < size:
        n = len(records)
        records.append({"id": n, "name": f"item {n}", "score": n / 3, "ok": n % 2 == 0, "tags": ["red", "green"],
                        "at": {"x": n, "y": None}})
        length += len(json.dumps(records[-1], separators=(",", ":"))) + 1
    return {"list": records}


def payload(options):
    sizes = [64, 64 * KB, KB * KB] if options.quick else [8, 64, KB, 16 * KB, 64 * KB, KB * KB, 16 * KB * KB]
    with mp.Pool(1) as pool:
        for kind in ("ascii", "text", "bytes", "object"):
            for size in sizes:
                value = make(kind, size)
                assert pool.apply(echo, (value,)) == value
                row(f"payload/{kind}", sample(lambda: pool.apply(echo, (value,)), options.budget / 3, 3), 1, x=size)


def compute(options):
    with mp.Pool(options.workers) as pool:
        for milliseconds in [5] if options.quick else [5, 20, 50]:
            tasks = [milliseconds] * (options.workers * -(-160 // milliseconds))
            samples = sample(lambda: pool.map(burn, tasks, 1), options.budget / 2, 3)
            row("compute/burn", samples, options.workers, len(tasks), x=milliseconds)


def startup(options):
    first, close = [], []
    for _ in range(4 if options.quick else 15):
        start = time.perf_counter()
        pool = mp.Pool(options.workers)
        pool.apply(increment, (1,))
        first.append(time.perf_counter() - start)
        start = time.perf_counter()
        pool.close()
        pool.join()
        close.append(time.perf_counter() - start)
    row("startup/first", first[1:], options.workers)
    row("startup/close", close[1:], options.workers)


TOPICS = {"latency": latency, "throughput": throughput, "payload": payload, "compute": compute, "startup": startup}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--topics", default=",".join(TOPICS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    arguments.budget = 0.1 if arguments.quick else 0.6
    for topic in arguments.topics.split(","):
        if topic in TOPICS:
            TOPICS[topic](arguments)
