"""The same measurements as bench/pipe_bench.ts, by Python's multiprocessing.

Prints one JSON object: name -> nanoseconds a round trip or a message, or megabytes per second.
Started by bench/peers/python.ts where a python3 is found.
"""
import json
import multiprocessing as mp
import time

ROUNDS = 5_000
MESSAGES = 50_000
SIZE = 64 * 1024
BLOCKS = 4_000


def echo(connection, rounds):
    for _ in range(rounds):
        connection.send(connection.recv())


def take(connection, messages):
    for _ in range(messages):
        connection.recv()
    connection.send(None)


def take_bytes(connection, blocks):
    for _ in range(blocks):
        connection.recv_bytes()
    connection.send(None)


def timed(target, count, work):
    mine, theirs = mp.Pipe()
    process = mp.Process(target=target, args=(theirs, count))
    process.start()
    begun = time.perf_counter()
    work(mine)
    took = time.perf_counter() - begun
    process.join()
    return took


def ping_pong(connection):
    for i in range(ROUNDS):
        connection.send(i)
        connection.recv()


def numbers(connection):
    for i in range(MESSAGES):
        connection.send(i)
    connection.recv()


def blocks(connection):
    data = bytes(SIZE)
    for _ in range(BLOCKS):
        connection.send_bytes(data)
    connection.recv()


if __name__ == "__main__":
    print(json.dumps({
        "Pipe round trip of a number, ns": timed(echo, ROUNDS, ping_pong) / ROUNDS * 1e9,
        "Pipe message one way, ns": timed(take, MESSAGES, numbers) / MESSAGES * 1e9,
        "Pipe 64 KB one way, MB/s": BLOCKS * SIZE / timed(take_bytes, BLOCKS, blocks) / 1e6,
    }))
