"""DNS over TLS to upstreams (RFC 7858, 8310) against a real Unbound, and against scripts that do what
no good server does. Certificates are made here, by the openssl program.

The wiring is that of test_dns64.py; Unbound listens on port 853, too, the scripts on other ports.
"""
import os
import pathlib
import re
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from test_dns64 import (UPSTREAM, Lab, Server, a_record, answer_to, ask_once, dig, qtype, query,
                        wait_for)

NAME = "dns.example"


def openssl(directory, *arguments, text=None):
    return subprocess.run(["openssl", *map(str, arguments)], cwd=directory, check=True, input=text,
                          capture_output=True).stdout


class Authority:
    """A certificate authority in a directory."""

    def __init__(self, directory, name):
        self.directory = directory
        self.pem = directory / f"{name}.pem"
        self.key = directory / f"{name}.key"
        openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.key, "-out", self.pem,
                "-subj", f"/CN={name}", "-days", 2)
        (directory / f"{name}.index").touch()
        (directory / f"{name}.cnf").write_text(f"""
[ca]
default_ca = this
[this]
database = {directory}/{name}.index
new_certs_dir = {directory}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = optional
""")
        self.conf = directory / f"{name}.cnf"

    def issue(self, who, names, start="20250101000000Z", end="20491231235959Z"):
        """Returns the certificate's file; the key is beside it."""
        key, csr, pem = (self.directory / f"{who}.{x}" for x in ("key", "csr", "crt"))
        openssl(self.directory, "req", "-new", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", csr, "-subj",
                f"/CN={names[0]}", "-addext",
                "subjectAltName=" + ",".join(f"DNS:{n}" for n in names))
        openssl(self.directory, "ca", "-batch", "-config", self.conf, "-cert", self.pem, "-keyfile",
                self.key, "-in", csr, "-out", pem, "-startdate", start, "-enddate", end, "-notext")
        return pem


def pin_of(pem):
    """RFC 7858 4.2, with other tools than what is tested: openssl pkey, dgst, base64."""
    public = openssl(".", "x509", "-in", pem, "-noout", "-pubkey")
    der = openssl(".", "pkey", "-pubin", "-outform", "der", text=public)
    digest = openssl(".", "dgst", "-sha256", "-binary", text=der)
    return "sha256/" + openssl(".", "base64", text=digest).decode().strip()


class TlsLab(Lab):
    def start_upstreams(self):
        self.authority = Authority(self.directory, "authority")
        self.stranger = Authority(self.directory, "stranger")
        self.good = self.authority.issue("good", [NAME])
        self.expired = self.authority.issue("expired", [NAME], end="20250201000000Z")
        self.foreign = self.stranger.issue("foreign", [NAME])
        super().start_upstreams()
        text = (self.directory / "unbound.conf").read_text()
        text = text.replace(f"interface: {UPSTREAM}\n", f"interface: {UPSTREAM}@853\n")
        text = text.replace("  interface: 203.0.113.2\n", f"""
  tls-service-key: {self.directory}/good.key
  tls-service-pem: {self.good}
  tls-port: 853
""")
        (self.directory / "unbound-tls.conf").write_text(text)
        self.start_unbound_tls()

    def start_unbound_tls(self):
        log = open(self.directory / "unbound-tls.log", "w")
        self.unbound_tls = self.upstream.start(f"unbound -d -c {self.directory}/unbound-tls.conf",
                                               stderr=log, stdout=log)
        wait_for(lambda: "853" in self.upstream("ss -Hltn sport = :853"), what="Unbound over TLS")


@pytest.fixture(scope="module")
def lab():
    lab = TlsLab()
    try:
        lab.start_upstreams()
        yield lab
    finally:
        lab.close()


@pytest.fixture
def serve(lab):
    servers = []

    def start(**options):
        options.setdefault("upstream", [])
        servers.append(Server(lab, **options))
        return servers[-1]
    yield start
    for s in servers:
        if s.process.poll() is None:
            s.stop()


def tls(lab, port=853, name=NAME, ca="authority", pins=()):
    """Options of the driver, in the order that it wants."""
    options = {"upstream-tls": f"{UPSTREAM},{port}"}
    if name:
        options |= {"tls-name": name, "tls-ca": lab.directory / f"{ca}.pem"}
    return options | ({"tls-pin": list(pins)} if pins else {})


def resolves(lab, name="v4.example.test"):
    return dig(lab.client, f"{name} AAAA").data("AAAA") == ["64:ff9b::808:808"]


def refused(lab, server, why):
    """Nothing is resolved, the log says why, once, and nothing went there in the clear."""
    for _ in range(2):
        assert dig(lab.client, "v4.example.test AAAA").status == "SERVFAIL"
    counters = server.counters()
    assert counters["tls-failures"] >= 2 and counters["upstream-queries"] == 0, counters
    log = pathlib.Path(server.log.name).read_text()
    assert len(re.findall(f"no TLS: .*{why}", log)) == 1, log


class TlsScript:
    """A server whose @answer(conn, query, number of the connection) may do anything."""

    def __init__(self, lab, port, answer, pem=None):
        pem = pem or lab.good
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem, pathlib.Path(pem).with_suffix(".key"))
        self.socket = lab.upstream.socket(socket.SOCK_STREAM)
        self.socket.settimeout(None)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((UPSTREAM, port))
        self.socket.listen(16)
        self.answer, self.connections, self.queries = answer, 0, []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                plain, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.talk, args=(plain, self.connections), daemon=True).start()

    def talk(self, plain, number):
        try:
            conn = self.context.wrap_socket(plain, server_side=True)
            while head := conn.recv(2):
                while len(head) < 2:
                    head += conn.recv(1)
                message = b""
                while len(message) < struct.unpack("!H", head)[0]:
                    message += conn.recv(struct.unpack("!H", head)[0] - len(message))
                self.queries.append(message)
                self.answer(conn, message, number)
        except OSError:
            pass
        plain.close()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def framed(*messages):
    return b"".join(struct.pack("!H", len(m)) + m for m in messages)


def good_answer(message):
    if qtype(message) == 28:
        return answer_to(message)
    return answer_to(message, a_record("8.8.8.8"), 1)


def test_the_right_name_is_asked_and_one_connection_serves_many(lab, serve):
    server = serve(**tls(lab))
    assert resolves(lab)
    for n in range(50):
        assert dig(lab.client, f"missing{n}.example.test AAAA").status == "NXDOMAIN"
    counters = server.counters()
    assert counters["tls-connections"] == 1 and counters["tls-failures"] == 0, counters
    assert counters["upstream-tls"] == 102 and counters["upstream-queries"] == 0, counters


def test_the_right_pin_is_enough_and_goes_with_the_name(lab, serve):
    server = serve(**tls(lab, name=None, pins=[pin_of(lab.good)]))
    assert resolves(lab)
    server.stop()
    server = serve(**tls(lab, pins=[pin_of(lab.foreign), pin_of(lab.authority.pem)]))
    assert resolves(lab)  # a key of the certified chain: RFC 7858 4.2


@pytest.mark.parametrize("name,pins,why", [
    ("other.example", [], "hostname mismatch"),
    (NAME, ["foreign"], "not pinned"),
    (None, ["foreign"], "not pinned"),
    (None, ["authority"], "not pinned")])
def test_who_is_not_the_one_is_refused(lab, serve, name, pins, why):
    files = {"foreign": lab.foreign, "authority": lab.authority.pem}
    server = serve(**tls(lab, name=name, pins=[pin_of(files[p]) for p in pins]))
    refused(lab, server, why)


def test_what_the_authority_does_not_vouch_for_is_refused(lab, serve):
    script = TlsScript(lab, 8531, None, lab.foreign)
    server = serve(**tls(lab, port=8531))
    refused(lab, server, "unable to get local issuer certificate")
    script.close()


@pytest.mark.parametrize("name", [NAME, None])
def test_what_is_out_of_date_is_refused_even_with_its_pin(lab, serve, name):
    script = TlsScript(lab, 8532, None, lab.expired)
    server = serve(**tls(lab, port=8532, name=name, pins=[pin_of(lab.expired)]))
    refused(lab, server, "certificate has expired")
    script.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_of_tls_are_refused(lab, serve):
    script = TlsScript(lab, 8533, None)
    script.context.minimum_version = ssl.TLSVersion.TLSv1
    script.context.maximum_version = ssl.TLSVersion.TLSv1_1
    script.context.set_ciphers("DEFAULT@SECLEVEL=0")
    server = serve(**tls(lab, port=8533))
    refused(lab, server, "")
    script.close()


def test_who_does_not_speak_tls_or_is_not_there_is_an_error(lab, serve):
    plain = lab.upstream.socket(socket.SOCK_STREAM)
    plain.bind((UPSTREAM, 8534))
    plain.listen(16)
    plain.settimeout(None)

    def talk():
        while True:
            try:
                conn, _ = plain.accept()
            except OSError:
                return
            conn.recv(4096)
            conn.sendall(b"220 mail.example ESMTP\r\n")
            conn.close()
    threading.Thread(target=talk, daemon=True).start()
    server = serve(**tls(lab, port=8534))
    refused(lab, server, "wrong version number")
    server.stop()
    plain.shutdown(socket.SHUT_RDWR)
    plain.close()
    server = serve(**tls(lab, port=8599))
    refused(lab, server, "Connection refused")


def test_answers_come_in_any_order(lab, serve):
    held = []

    def answer(conn, message, number):
        held.append(message)
        if len(held) == 20:  # ten names, two questions each, all on one connection
            conn.sendall(framed(*(good_answer(m) for m in reversed(held))))

    script = TlsScript(lab, 8535, answer)
    server = serve(**tls(lab, port=8535))
    sockets = [lab.client.socket() for _ in range(10)]
    for n, s in enumerate(sockets):
        s.sendto(query(f"order{n}.test"), ("2001:db8:1::1", 53))
    for s in sockets:
        assert socket.inet_pton(socket.AF_INET6, "64:ff9b::808:808") in s.recv(4096)
        s.close()
    assert script.connections == 1
    assert len({m[:2] for m in held}) == 20
    ids = [struct.unpack("!H", m[:2])[0] for m in held]
    assert len({(b - a) % 65536 for a, b in zip(ids, ids[1:])}) > 10, ids  # not one after the other
    assert all(len(m) % 128 == 0 for m in held)  # RFC 8467 4.1
    assert server.counters()["upstream-timeouts"] == 0
    script.close()


def test_a_connection_that_ends_midway_is_made_anew(lab, serve):
    def answer(conn, message, number):
        if number == 1:
            conn.sendall(framed(good_answer(message))[:20])  # a part, and no goodbye
            raise OSError
        conn.sendall(framed(good_answer(message)))

    script = TlsScript(lab, 8536, answer)
    server = serve(**tls(lab, port=8536))
    start = time.monotonic()
    assert resolves(lab, "midway.test")
    assert time.monotonic() - start < 1.5
    assert script.connections >= 2
    assert server.counters()["tls-failures"] == 0
    script.close()


def test_a_server_that_closes_after_each_answer_is_borne(lab, serve):
    def answer(conn, message, number):
        conn.sendall(framed(good_answer(message)))
        conn.unwrap()
        raise OSError

    script = TlsScript(lab, 8537, answer)
    server = serve(**tls(lab, port=8537))
    for n in range(5):
        assert resolves(lab, f"each{n}.test")
    seen = server.counters()
    assert seen["upstream-errors"] == 0 and 1 <= seen["upstream-tcp-moved"] <= 9, seen
    script.close()


def test_sessions_are_resumed(lab, serve):
    script = TlsScript(lab, 8538, lambda conn, m, number: conn.sendall(framed(good_answer(m))))
    server = serve(**tls(lab, port=8538))
    assert resolves(lab, "first.test")
    wait_for(lambda: not lab.upstream("ss -Htn state established sport = :8538"), timeout=15,
             what="the idle connection is closed, by us")
    assert resolves(lab, "second.test")
    counters = server.counters()
    assert counters["tls-connections"] == 2 and counters["tls-resumed"] == 1, counters
    script.close()


def test_a_dead_connection_is_given_up_for_another(lab, serve):
    """The first one swallows what it gets after its first answer, as if its host had lost power."""
    def answer(conn, message, number):
        answer.n += 1
        if number > 1 or answer.n <= 2:
            conn.sendall(framed(good_answer(message)))

    answer.n = 0
    script = TlsScript(lab, 8539, answer)
    serve(**tls(lab, port=8539))
    assert resolves(lab, "alive.test")
    start = time.monotonic()
    assert resolves(lab, "dead.test")
    assert time.monotonic() - start < 4 and script.connections == 2
    script.close()


def test_what_was_not_asked_is_not_heard(lab, serve):
    def answer(conn, message, number):
        wrong = bytes([message[0] ^ 1]) + good_answer(message)[1:]
        other = bytearray(good_answer(message))
        other[13] ^= 1  # another name: not what this id was asked
        if qtype(message) == 1:
            conn.sendall(framed(wrong, good_answer(message)))
        else:
            conn.sendall(framed(wrong, bytes(other)))

    script = TlsScript(lab, 8540, answer)
    server = serve(**tls(lab, port=8540))
    assert resolves(lab, "unasked.test")  # of A alone: AAAA was never answered
    assert server.counters()["spoofed"] >= 3
    script.close()


def test_failover_from_tls_to_tls(lab, serve):
    server = serve(**{"upstream-tls": f"{UPSTREAM},8599", "tls-name": NAME,
                      "tls-ca": lab.directory / "authority.pem", "upstream": f"{UPSTREAM},53"})
    start = time.monotonic()
    assert resolves(lab)
    assert time.monotonic() - start < 1
    assert server.counters()["tls-failures"] >= 1


def test_a_reload_keeps_connections_that_have_not_changed(lab, serve):
    path = lab.directory / "reload-tls"
    server = serve(reload=path, **tls(lab))
    assert resolves(lab)
    server.reload(path, upstream=[], **tls(lab))
    assert resolves(lab, "short.example.test")
    assert server.counters()["tls-connections"] == 1
    server.reload(path, upstream=[], **tls(lab, pins=[pin_of(lab.foreign)]))
    assert dig(lab.client, "only6.example.test AAAA").status == "SERVFAIL"


def test_unbound_comes_back(lab, serve):
    server = serve(**tls(lab))
    assert resolves(lab)
    lab.unbound_tls.terminate()
    lab.unbound_tls.wait()
    assert dig(lab.client, "only6.example.test AAAA").status == "SERVFAIL"
    lab.start_unbound_tls()
    wait_for(lambda: dig(lab.client, "both.example.test AAAA").data("AAAA"), what="it is back")
    log = pathlib.Path(server.log.name).read_text()
    assert log.count("no TLS") == 1 and log.count("TLS works again") == 1, log
