"""The smallest Debian that there is, in a folder, and commands in it: what a new machine is to ./run. Needs root and Debian's
archive. Its network is this machine's.

    with BareRoot() as root:
        root.clone("/root/filmyfly")
        root.run("root", "cd /root/filmyfly && ./run --help")
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from machine import REPO, shell

ENTER = """
mount -t proc proc {root}/proc
mount -t tmpfs -o mode=1777 tmpfs {root}/dev/shm
exec chroot {root} su -s /bin/sh - {user} -c "$0"
"""


class BareRoot:
    def __enter__(self):
        self.root = Path(tempfile.mkdtemp(prefix="ff-bare-", dir="/var/tmp"))
        self.root.chmod(0o755)
        try:
            shell("debootstrap", "--variant=minbase", "bookworm", self.root)
            self.run("root", "useradd -m -s /bin/bash visitor")
            shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root)

    def clone(self, path, owner="root"):
        shell("git", "clone", "-q", f"file://{REPO}", self.root / path[1:])
        self.run("root", f"chown -R {owner}: {path}")

    def start(self, user, command):
        """Its processes, and nothing else's, end with it; so do its mounts."""
        enter = ENTER.format(root=self.root, user=user)
        return subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", enter, command],
                                env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, user, command, status=0):
        process = self.start(user, command)
        try:
            said, _ = process.communicate(timeout=900)
        finally:
            process.kill()
        assert process.returncode == status, said
        return said
