# SPDX-License-Identifier: MIT
"""Chromium without a window, in a namespace of the laboratory: opens browser/call.html and brings back what the page posts.

No driver and no debugging port between: the page is served to the browser on its own loopback, and its answer comes the
same way. The profile is new each time and trusts the laboratory's external authority, which is what a turns: relay is
checked against."""
import http.server
import json
import os
import queue
import signal
import subprocess
import threading
import urllib.parse

from lab import HERE, LabError, children

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage", "--no-proxy-server",
         "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required"]


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.partition("?")[0] != "/call.html":
            return self.send_error(404)
        with open(os.path.join(HERE, "browser", "call.html"), "rb") as f:
            body = f.read()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.server.results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *a):
        pass


class Browser:
    """One browser in host; call() as often as wanted, each in a process of its own."""

    def __init__(self, lab, host):
        self.lab, self.host, self.n = lab, host, 0
        self.home = lab.path("chromium-" + host)
        db = os.path.join(self.home, ".pki", "nssdb")
        if not os.path.isdir(db):
            os.makedirs(db)
            for argv in (["-N", "--empty-password"], ["-A", "-n", "lab", "-t", "C,,", "-i", lab.cert("external-ca.pem")]):
                subprocess.run(["certutil", "-d", "sql:" + db] + argv, check=True, capture_output=True)
        with lab.inside_of(host):
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.server.results = queue.Queue()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def call(self, urls, user, password, packets=500, media=False, late=60):
        """Two relay-only ends at urls (one for each; or one for both). The page's result as a dict; its "end" is "ok" or says why not."""
        query = [("url", u) for u in ([urls] if isinstance(urls, str) else urls)]
        query += [("user", user), ("password", password), ("packets", packets), ("media", int(media)), ("late", late)]
        url = "http://127.0.0.1:%d/call.html?%s" % (self.server.server_address[1], urllib.parse.urlencode(query))
        self.n += 1
        log = os.path.join(self.home, "log.%d" % self.n)
        with open(log, "wb") as f:
            p = subprocess.Popen(["ip", "netns", "exec", self.lab.ns(self.host), "chromium"] + FLAGS
                                 + ["--user-data-dir=" + os.path.join(self.home, "profile.%d" % self.n), url],
                                 stdin=subprocess.DEVNULL, stdout=f, stderr=f, env=dict(os.environ, HOME=self.home), start_new_session=True)
        try:
            return self.server.results.get(timeout=late + 30)
        except queue.Empty:
            with open(log, "rb") as f:
                raise LabError("chromium said nothing: " + f.read().decode("utf-8", "replace")[-1500:]) from None
        finally:
            end(p)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def end(p):
    """The browser and all its helpers, which live in its session."""
    kids = children(p.pid)
    for pid in [p.pid] + kids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    p.wait()
