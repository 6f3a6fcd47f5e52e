# SPDX-License-Identifier: MIT
"""script/pictures: docs/pictures/ from a running edge with all services, some users and their messages."""
import html
import os
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sip  # noqa: E402
from lab import FE1, LOAD, TOP, Lab, wait_for  # noqa: E402

OUT = os.path.join(TOP, "docs", "pictures")
COLS, LINES = 104, 40
PLAIN = "#d0d7de"
COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "36": "#79c0ff"}


class Pen:
    """Colour and weight go on from one line of the terminal to the next."""

    def __init__(self):
        self.colour, self.bold = PLAIN, False

    def take(self, codes):
        for c in (codes or "0").split(";"):
            if c in ("0", ""):
                self.colour, self.bold = PLAIN, False
            elif c == "1":
                self.bold = True
            else:
                self.colour = PLAIN if c == "39" else COLOURS.get(c, self.colour)

    def spans(self, line):
        """One line as SVG tspans."""
        out = []
        for part in re.split(r"(\x1b\[[0-9;]*m|\x0f)", line):
            if m := re.match(r"\x1b\[([0-9;]*)m", part):
                self.take(m[1])
            elif part and part != "\x0f":
                out.append('<tspan fill="%s"%s>%s</tspan>' % (self.colour, ' font-weight="bold"' if self.bold else "", html.escape(part)))
        return "".join(out)


def terminal_svg(text):
    rows, pen = text.rstrip("\n").split("\n"), Pen()
    w, h = COLS * 8 + 24, len(rows) * 17 + 24
    body = "".join('<text x="12" y="%d" xml:space="preserve">%s</text>\n' % (24 + 17 * i, pen.spans(r)) for i, r in enumerate(rows))
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d">\n'
            "<style>text{font:13px 'DejaVu Sans Mono',monospace}</style>\n"
            '<rect width="%d" height="%d" rx="8" fill="#0d1117"/>\n%s</svg>\n' % (w, h, w, h, w, h, body))


def take_top(lab, edged, busy):
    """A screen of `edgectl top` after a few of its periods."""
    t = ["tmux", "-L", "edged-pictures-%d" % os.getpid(), "-f", "/dev/null"]
    command = "TERM=xterm-256color %s -s %s top" % (os.path.join(edged.bin, "edgectl"), lab.path("control.sock"))
    subprocess.run(t + ["new-session", "-d", "-x", str(COLS), "-y", str(LINES), command], check=True)
    try:
        n = busy()
        wait_for("three periods of load", lambda: busy() > n + 1200, 90)
        return subprocess.run(t + ["capture-pane", "-p", "-e"], check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run(t + ["kill-server"])


def main():
    os.makedirs(OUT, exist_ok=True)
    with Lab() as lab:
        fe = sip.FrontEnd(lab, FE1)
        edged = lab.edged(release=True, av__realm="contoso.com", external__av={"address": "203.0.113.12"},
                          external__webconf={"address": "203.0.113.11", "fqdn": "webconf.contoso.com", "port": 443},
                          certificates__av_auth={"chain": lab.cert("av_auth.pem"), "key": lab.cert("av_auth.key")})
        wait_for("the next hop", lambda: '"up"' in edged.ctl("--json", "nexthop"))
        clients = [sip.Client(lab, "user%d" % i, source=LOAD[i]) for i in range(12)]
        for c in clients:
            c.register()
        stop, sent = threading.Event(), [0]

        def chat():
            while not stop.is_set():
                clients[sent[0] % 12].message("sip:bob@contoso.com")
                sent[0] += 1
                time.sleep(0.005)
        t = threading.Thread(target=chat)
        t.start()
        try:
            screen = take_top(lab, edged, lambda: sent[0])
            picture = edged.ctl("diagram")
        finally:
            stop.set()
            t.join()
        fe.close()
        edged.stop()
    for name, text in (("top.svg", terminal_svg(screen)), ("diagram.svg", picture)):
        with open(os.path.join(OUT, name), "w") as f:
            f.write(text)
        print("docs/pictures/" + name)


if __name__ == "__main__":
    main()
