"""Flows that live long, and many that live shortly; a program of its own, run inside a namespace.

    beat.py listen ADDRESS PORT              echo over TCP and UDP, until it is ended
    beat.py keep ADDRESS PORT SECONDS        one TCP connection, a line a second; each must come back
    beat.py churn ADDRESS PORT RATE SECONDS  datagrams, each from a socket of its own

keep exits with 1 and a line when its connection breaks or is silent for 30 s. churn ends with one line
of JSON: how many were sent and how many came back within 5 s.
"""
import asyncio
import json
import socket
import sys
import time

SILENCE, PATIENCE = 30.0, 5.0


class Answer(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        self.transport.sendto(data, peer)


async def repeat(reader, writer):
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def listen(address, port):
    server = await asyncio.start_server(repeat, address, port)
    await asyncio.get_running_loop().create_datagram_endpoint(Answer, local_addr=(address, port))
    async with server:
        await server.serve_forever()


async def keep(address, port, seconds):
    reader, writer = await asyncio.open_connection(address, port)
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        line = b"%d\n" % n
        writer.write(line)
        got = await asyncio.wait_for(reader.readline(), SILENCE)
        if got != line:
            raise ConnectionError(f"line {n}: {got!r} came back")
        n += 1
        await asyncio.sleep(1)  # the beat itself
    writer.close()


class Asked(asyncio.DatagramProtocol):
    def __init__(self, seen):
        self.seen = seen

    def connection_made(self, transport):
        self.transport = transport
        self.seen["sent"] += 1
        transport.sendto(b"beat")
        asyncio.get_running_loop().call_later(PATIENCE, transport.close)

    def datagram_received(self, data, peer):
        self.seen["answered"] += 1
        self.transport.close()


async def churn(address, port, rate, seconds):
    loop, seen = asyncio.get_running_loop(), {"sent": 0, "answered": 0}
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    start, n = time.monotonic(), 0
    while (now := time.monotonic()) < start + seconds:
        while n < (now - start) * rate:
            await loop.create_datagram_endpoint(lambda: Asked(seen), remote_addr=(address, port),
                                                family=family)
            n += 1
        await asyncio.sleep(1 / rate)
    await asyncio.sleep(PATIENCE)  # for the last ones
    print(json.dumps(seen))


def main():
    what, address, *numbers = sys.argv[1:]
    try:
        asyncio.run({"listen": listen, "keep": keep, "churn": churn}[what](address, *map(int, numbers)))
    except (OSError, asyncio.TimeoutError) as e:
        sys.exit(f"{what} {address}: {type(e).__name__} {e}")


if __name__ == "__main__":
    main()
