# SPDX-License-Identifier: MIT
"""A partner that floods: flood.py CERT KEY CA SOURCE DESTINATION DOMAIN RATE SECONDS; a process of its own, so that its work is not the test's.

Sends MESSAGEs at the rate, or as fast as they are taken; says at the end how many went out and what was answered.
"""
import collections
import select
import socket
import ssl
import sys
import time


def message(domain, n):
    return ("MESSAGE sip:alice@contoso.com SIP/2.0\r\nVia: SIP/2.0/TLS 198.51.100.42:5061;branch=z9hG4bKflood%d\r\nMax-Forwards: 70\r\n"
            "From: <sip:bot@%s>;tag=f\r\nTo: <sip:alice@contoso.com>\r\nCall-ID: flood%d\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\n"
            "Content-Length: 1\r\n\r\nx" % (n, domain, n)).encode()


def main(cert, key, ca, source, destination, domain, rate, seconds):
    ctx = ssl.create_default_context(cafile=ca)
    ctx.load_cert_chain(cert, key)
    s = ctx.wrap_socket(socket.create_connection((destination, 5061), 10, (source, 0)), server_hostname="sip.contoso.com")
    s.setblocking(False)
    rate, begin, sent, out, answers = float(rate), time.monotonic(), 0, b"", collections.Counter()
    print("begun", flush=True)
    while time.monotonic() - begin < float(seconds):
        due = int((time.monotonic() - begin) * rate)
        while sent < due and len(out) < 65536:
            out += message(domain, sent)
            sent += 1
        try:
            out = out[s.send(out):] if out else out
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        try:
            while True:
                d = s.recv(65536)
                if not d:
                    print("closed after", sent, flush=True)
                    return
                for line in d.split(b"SIP/2.0 ")[1:]:
                    answers[line[:3].decode("latin-1")] += 1
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        select.select([s], [s] if out else [], [], 0.01)
    print("sent", sent - out.count(b"MESSAGE sip:"), dict(answers), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
