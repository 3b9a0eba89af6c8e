"""Many short HTTP connections at a steady rate; a program of its own, run inside a namespace.

    load.py URL RATE SECONDS [SIZE [again]]

A request that is not answered with 200 and SIZE bytes within 10 s has failed. With "again", one
that is cut off in the middle of its answer is asked once more, as storage clients do: whoever kills
a node kills what it was just saying. At the end one line of JSON: how many were tried, what failed
and why, how many were cut off, which nodes answered (header X-Node), how long they took.
"""
import asyncio
import collections
import json
import sys
import time
import urllib.parse

PATIENCE = 10.0


class Cut(Exception):
    """The connection was accepted, and ended before the answer did."""


async def fetch(url, size):
    at = urllib.parse.urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port or 80)
    try:
        writer.write(f"GET {at.path or '/'} HTTP/1.0\r\nHost: {at.netloc}\r\n\r\n".encode())
        answer = await reader.read(-1)
    except ConnectionResetError:
        raise Cut("reset in mid-answer") from None
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode(errors="replace").split("\r\n")
    if not answer or size is not None and " 200 " in lines[0] and len(body) < size:
        raise Cut(f"answer ended after {len(answer)} bytes")
    if " 200 " not in lines[0]:
        raise ValueError(f"answered {lines[0]!r}")
    if size is not None and len(body) != size:
        raise ValueError(f"{len(body)} bytes instead of {size}")
    return next((line[8:] for line in lines if line.lower().startswith("x-node: ")), "?")


async def fetch_or_again(url, size, again, seen):
    try:
        return await fetch(url, size)
    except Cut:
        if not again:
            raise
        seen["cut"] += 1
        return await fetch(url, size)


async def one(url, size, again, seen):
    start = time.monotonic()
    try:
        node = await asyncio.wait_for(fetch_or_again(url, size, again, seen), PATIENCE)
        seen["nodes"][node] += 1
    except asyncio.TimeoutError:
        seen["failed"]["no answer in time"] += 1
    except (OSError, ValueError, Cut) as e:
        seen["failed"][str(e)] += 1
    seen["ms"].append((time.monotonic() - start) * 1000)


async def main(url, rate, seconds, size=None, again=False):
    seen = {"nodes": collections.Counter(), "failed": collections.Counter(), "cut": 0, "ms": []}
    start, tasks = time.monotonic(), []
    print("started", flush=True)
    for n in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, start + n / rate - time.monotonic()))
        tasks.append(asyncio.create_task(one(url, size, again, seen)))
    await asyncio.gather(*tasks)
    ms = sorted(seen["ms"])
    print(json.dumps({"tried": len(tasks), "failed": seen["failed"], "cut": seen["cut"],
                      "nodes": seen["nodes"], "median_ms": ms[len(ms) // 2], "slowest_ms": ms[-1]}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]),
                     *(int(a) for a in sys.argv[4:5]), *(a == "again" for a in sys.argv[5:])))
