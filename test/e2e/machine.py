# SPDX-License-Identifier: MIT
"""A machine with systemd as its first process, in the network namespace `edge` of a laboratory.

Its file system is an overlay: what it writes is gone when it is, and nothing of the host's own is touched (sysctls but those of its
network are read only, services of the host's own are not started). Below lies the host's root, or the tree that EDGED_MACHINE_ROOT
names (made by debootstrap): then it is a fresh machine.
"""
import contextlib
import os
import signal
import subprocess
import time

from lab import LabError, run, wait_for

BOOT = r"""
set -eu
lower=$1 d=$2 stage=$3 name=$4
mount --make-rprivate /
mount -t tmpfs tmpfs "$d"
mkdir "$d/upper" "$d/work" "$d/root"
mount -t overlay -o "lowerdir=$lower,upperdir=$d/upper,workdir=$d/work" overlay "$d/root"
root=$d/root
[ -z "$stage" ] || cp -a "$stage"/* "$root/"
cd "$root"
# Services of the host stay where they are.
rm -rf etc/systemd/system/*.wants etc/resolv.conf usr/sbin/policy-rc.d
for u in systemd-sysctl systemd-modules-load systemd-timesyncd systemd-udevd systemd-binfmt; do
	ln -sf /dev/null etc/systemd/system/$u.service
done
cat /etc/hosts >etc/hosts.new && mv etc/hosts.new etc/hosts
cat /etc/resolv.conf >etc/resolv.conf
echo "$name" >etc/hostname
hostname "$name"
mkdir -p proc sys dev run tmp mnt
mount -t proc proc proc
mount --bind proc/sys/net mnt
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --move mnt proc/sys/net
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for n in null zero full random urandom tty; do touch dev/$n; mount --bind /dev/$n dev/$n; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
pivot_root . mnt
umount -l /mnt
exec env -i container=namespaces PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=basic.target --log-target=journal --show-status=0
"""


def unified_cgroup():
    """The mount of cgroup version 2."""
    with open("/proc/mounts") as f:
        return next((x.split()[1] for x in f if x.split()[2] == "cgroup2"), None)


class Machine:
    def __init__(self, lab, name, stage=""):
        self.lab, self.init = lab, None
        d = lab.path("machine")
        os.makedirs(d, exist_ok=True)
        self.lower = os.environ.get("EDGED_MACHINE_ROOT") or "/"
        self.mounted = None
        if not unified_cgroup():
            self.mounted = lab.path("cgroup")
            os.makedirs(self.mounted)
            run("mount", "-t", "cgroup2", "cgroup2", self.mounted)
        self.cgroup = os.path.join(unified_cgroup(), "edged-" + lab.id)
        os.makedirs(self.cgroup)
        self.logfile = lab.path("machine.log")
        # Into its cgroup first: `ip netns exec` hides the mount.
        shell = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
        with open(self.logfile, "ab") as log:
            self.p = subprocess.Popen(["bash", "-c", shell, self.cgroup, "ip", "netns", "exec", lab.ns("edge"), "unshare", "--mount", "--uts", "--ipc",
                                       "--pid", "--cgroup", "--fork", "bash", "-c", BOOT, "boot", self.lower, d, stage, name],
                                      stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            self.init = wait_for(lambda: "systemd; its log: " + self.log()[-2000:], self._find_init, 60)
            wait_for(lambda: "systemd to be up: " + self.run("systemctl", "list-jobs")[1] + self.log()[-2000:], self._is_up, 120, 0.2)
        except BaseException:
            self.stop()
            raise

    def log(self):
        with open(self.logfile, errors="replace") as f:
            return f.read()

    def _find_init(self):
        if self.p.poll() is not None:
            raise LabError("the machine does not boot: " + self.log()[-2000:])
        with open("/proc/%d/task/%d/children" % (self.p.pid, self.p.pid)) as f:
            for pid in f.read().split():
                with open("/proc/%s/comm" % pid) as c:
                    if c.read().strip() == "systemd":
                        return int(pid)
        return None

    def _is_up(self):
        return self.run("systemctl", "is-active", "basic.target")[1].strip() == "active"

    def argv(self, *argv):
        return ["nsenter", "-t", str(self.init), "-m", "-u", "-i", "-n", "-p", "-C", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", *argv]

    def run(self, *argv, stdin=None, timeout=120):
        r = subprocess.run(self.argv(*argv), capture_output=True, text=True, input=stdin, timeout=timeout)
        return r.returncode, r.stdout + r.stderr

    def ok(self, *argv, **kw):
        code, out = self.run(*argv, **kw)
        if code and argv[0] == "systemctl":
            out += self.journal(argv[-1])[-3000:]
        assert code == 0, "%s: %d %s" % (" ".join(argv), code, out)
        return out

    def write(self, path, text, mode="0644", group="root"):
        self.ok("install", "-m", mode, "-g", group, "/dev/stdin", path, stdin=text)

    def journal(self, unit):
        self.ok("journalctl", "--sync")
        return self.ok("journalctl", "-u", unit, "--no-pager", "-o", "cat")

    def read(self, path):
        return self.ok("cat", path)

    def stop(self):
        if self.init:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.init, signal.SIGKILL)  # the first process of its PID namespace: all others go with it
        else:
            self.p.kill()
        self.p.wait()
        for _ in range(50):
            for top, _, _ in os.walk(self.cgroup, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(top)
            if not os.path.exists(self.cgroup):
                break
            time.sleep(0.1)
        if self.mounted:
            run("umount", self.mounted)
