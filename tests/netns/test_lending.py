"""Two workers and one pool address: what one worker's hosts have used up, the other lends, and packets from
outside find the borrower."""
import pytest
from control_lab import BASIC, HOST_IN_64, ControlLab, build_programs

INSIDE = "2001:db8:1::2"
BLOCKS = 80                                # 40 for each worker
OF_ONE_WORKER = BLOCKS // 2 * 64
FEW_LEFT = OF_ONE_WORKER - 4 * 64          # an eighth free, or less: it is short
TOGETHER = OF_ONE_WORKER + 10 * 64

ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('198.51.100.2', 7777))
while True:
    data, peer = s.recvfrom(2048)
    s.sendto(b'%s %d' % (peer[0].encode(), peer[1]), peer)
"""
# Each source port once, one after the other: who was answered, and what the echo saw.
ASK = f"""
import socket, sys
for port in range(int(sys.argv[1]), int(sys.argv[2])):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(('{INSIDE}', port))
    s.settimeout(0.5)
    for attempt in range(6):
        try:
            s.sendto(b'x', ('{HOST_IN_64}', 7777))
            print(port, s.recv(2048).decode())
            break
        except OSError:
            pass
    s.close()
"""


@pytest.fixture(scope="session")
def programs():
    return build_programs()


@pytest.fixture
def lab(programs):
    lab = ControlLab(programs)
    yield lab
    lab.close()


def ask(lab, first, count):
    """{source port: (outside address, port)} of those that were answered."""
    script = lab.dir.name + "/ask.py"
    with open(script, "w") as f:
        f.write(ASK)
    out = lab.host(f"python3 {script} {first} {first + count}")
    return {int(x.split()[0]): tuple(x.split()[1:]) for x in out.splitlines()}


def test_worker_that_is_short_of_ports_is_lent_some_of_another(lab):
    g = lab.gateway(BASIC.replace("pool4: 198.51.100.10",
                                  f"pool4: {{address: 198.51.100.10, ports: 1024-{1023 + BLOCKS * 64}}}"))
    lab.net.start(["python3", "-c", ECHO])
    seen = ask(lab, 10000, 1)
    assert len(seen) == 1
    seen.update(ask(lab, 10001, FEW_LEFT - 1))
    assert len(seen) == FEW_LEFT
    m = g.expect(r"worker (\d) lends (\d+) port blocks to worker (\d)", timeout=40)
    assert m[1] != m[3] and int(m[2]) >= 10
    # more than one worker ever had, by ports of the other, and the answers come to the borrower
    seen.update(ask(lab, 10000 + FEW_LEFT, TOGETHER - FEW_LEFT))
    assert len(seen) == TOGETHER > OF_ONE_WORKER
    assert len(set(seen.values())) == TOGETHER  # nobody has another's port
    assert {x[0] for x in seen.values()} == {"198.51.100.10"}
    # sessions of before are what they were
    again = ask(lab, 10000, 20)
    assert again == {port: seen[port] for port in again} and len(again) == 20
    c = g.counters()
    assert c["flows_created_nat64"] == TOGETHER and c["stale-object"] == 0
    assert c["pool4-exhausted"] == 0
    assert g.stop() == 0
