"""Many short HTTP connections at a steady rate; a program of its own, run inside a namespace.

    load.py URL RATE SECONDS [SIZE]

A request that is not answered with 200 and SIZE bytes within 10 s has failed. At the end one line
of JSON: how many were tried, what failed and why, which nodes answered (header X-Node), how long
they took.
"""
import asyncio
import collections
import json
import sys
import time
import urllib.parse

PATIENCE = 10.0


async def fetch(url, size):
    at = urllib.parse.urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port or 80)
    try:
        writer.write(f"GET {at.path or '/'} HTTP/1.0\r\nHost: {at.netloc}\r\n\r\n".encode())
        answer = await reader.read(-1)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode(errors="replace").split("\r\n")
    if " 200 " not in lines[0]:
        raise ValueError(f"answered {lines[0]!r}")
    if size is not None and len(body) != size:
        raise ValueError(f"{len(body)} bytes instead of {size}")
    return next((line[8:] for line in lines if line.lower().startswith("x-node: ")), "?")


async def one(url, size, seen):
    start = time.monotonic()
    try:
        seen["nodes"][await asyncio.wait_for(fetch(url, size), PATIENCE)] += 1
    except asyncio.TimeoutError:
        seen["failed"]["no answer in time"] += 1
    except (OSError, ValueError) as e:
        seen["failed"][str(e)] += 1
    seen["ms"].append((time.monotonic() - start) * 1000)


async def main(url, rate, seconds, size=None):
    seen = {"nodes": collections.Counter(), "failed": collections.Counter(), "ms": []}
    start, tasks = time.monotonic(), []
    print("started", flush=True)
    for n in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, start + n / rate - time.monotonic()))
        tasks.append(asyncio.create_task(one(url, size, seen)))
    await asyncio.gather(*tasks)
    ms = sorted(seen["ms"])
    print(json.dumps({"tried": len(tasks), "failed": seen["failed"], "nodes": seen["nodes"],
                      "median_ms": ms[len(ms) // 2], "slowest_ms": ms[-1]}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]),
                     *(int(a) for a in sys.argv[4:])))
