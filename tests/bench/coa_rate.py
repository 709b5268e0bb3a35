"""Disconnects a second: our sender against `radclient -p` doing the same, to the same answering routers.

    python tests/bench/coa_rate.py [--routers N] [--requests N] [--dead N]

The routers are sockets of one other process that answers every request with an ACK. With --dead, so many more routers
never answer; radclient is then left out (it waits for them one after the other).
"""

import argparse
import hashlib
import multiprocessing
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from coa.codec import Code, Request
from coa.das import Das
from coa.outcome import Answer
from coa.sender import Sender

SECRET = b"testing123"
WINDOW = 256  # requests open at once, over all routers
PARALLEL = 64  # what the sender allows a router; radclient gets the same
WAIT_S = 120


def answer_all(count: int, pipe: Connection) -> None:
    """Be `count` routers: read nothing but what the authenticator needs."""
    epoll, routers = select.epoll(), {}
    for _ in range(count):
        udp = bound()
        udp.setblocking(False)
        routers[udp.fileno()] = udp
        epoll.register(udp.fileno(), select.EPOLLIN)
    pipe.send([udp.getsockname()[1] for udp in routers.values()])
    while True:
        for descriptor, _ in epoll.poll():
            udp = routers[descriptor]
            for _ in range(64):
                try:
                    data, source = udp.recvfrom(4096)
                except BlockingIOError:
                    break
                head = bytes([data[0] + 1, data[1], 0, 20])
                udp.sendto(head + hashlib.md5(head + data[4:20] + SECRET).digest(), source)


def bound() -> socket.socket:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    udp.bind(("127.0.0.1", 0))
    return udp


def words(number: int) -> tuple[tuple[str, str], ...]:
    return (
        ("Acct-Session-Id", f"8{number:07x}"),
        ("User-Name", "0712345678"),
        ("Framed-IP-Address", "10.0.0.5"),
        ("NAS-IP-Address", "192.0.2.1"),
    )


def ours(ports: list[int], live: set[int], requests: int) -> None:
    """Hand over `requests` requests, round the routers; the clock stops when the living have answered theirs."""
    sender, answers, over = Sender(), Counter[str](), threading.Event()
    slots = {port: threading.Semaphore(max(WINDOW // len(live), 1)) for port in live}
    left = [sum(ports[number % len(ports)] in live for number in range(requests))]

    def done(port: int, answer: Answer) -> None:
        answers[type(answer).__name__] += 1
        if port in live:
            slots[port].release()
            left[0] -= 1
            if not left[0]:
                over.set()

    began, cpu = time.perf_counter(), time.process_time()
    for number in range(requests):
        das = Das("127.0.0.1", SECRET, ports[number % len(ports)])
        if das.port in live:
            slots[das.port].acquire()
        sender.send(
            das, Request(Code.DISCONNECT_REQUEST, words(number)), lambda answer, port=das.port: done(port, answer)
        )
    over.wait(WAIT_S)
    took, used = time.perf_counter() - began, time.process_time() - cpu
    each_us = used / requests * 1e6
    print(f"ours       {answers['Acked'] / took:8.0f} acked/s  {each_us:4.0f} us of processor each  {dict(answers)}")
    sender.close()


def radclient(port: int, requests: int) -> None:
    with tempfile.NamedTemporaryFile("w") as file:
        for number in range(requests):
            file.write("".join(f'{name} = "{value}"\n' for name, value in words(number)) + "\n")
        file.flush()
        command = ["radclient", "-q", "-s", "-p", str(PARALLEL), "-f", file.name, f"127.0.0.1:{port}", "disconnect"]
        began = time.perf_counter()
        done = subprocess.run([*command, SECRET.decode()], capture_output=True, text=True, check=False)
        took = time.perf_counter() - began
    accepted = int(done.stdout.split("Accepted", 1)[1].split()[1])
    print(f"radclient  {accepted / took:8.0f} acked/s  (-p {PARALLEL}, one router)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routers", type=int, default=1)
    parser.add_argument("--requests", type=int, default=30_000)
    parser.add_argument("--dead", type=int, default=0)
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=answer_all, args=(options.routers, there), daemon=True)
    process.start()
    live: list[int] = here.recv()
    silent = [bound() for _ in range(options.dead)]
    ports = live + [udp.getsockname()[1] for udp in silent]
    ours(ports, set(live), options.requests)
    if not silent:
        radclient(live[0], options.requests)
    process.terminate()


if __name__ == "__main__":
    main()
