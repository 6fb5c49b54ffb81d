"""The image, built and run without a container engine: buildah in a chroot, a Debian base made by debootstrap, namespaces to run it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
NEEDED = ("buildah", "debootstrap", "unshare", "setpriv")
BASE, IMAGE = "localhost/tocsin-base", "localhost/tocsin-test"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
RUN = """
mount --bind "$ROOT" "$ROOT"
mount --bind "$STATE" "$ROOT/state"
mount --bind "$TMP" "$ROOT/tmp"
mount -t proc proc "$ROOT/proc"
mount -o remount,ro,bind "$ROOT"
exec chroot "$ROOT" setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs --bounding-set=-all env -i "$@"
"""


def missing() -> str | None:
    """Why the image cannot be built here."""
    absent = [name for name in NEEDED if not shutil.which(name)]
    if absent:
        return f"not on the PATH: {', '.join(absent)} (Debian's packages buildah, debootstrap and util-linux)"
    return None if os.getuid() == 0 else "debootstrap needs root"


def buildah(*command: str) -> str:
    """What buildah prints."""
    environment = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run(["buildah", *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout.strip()


def based(folder: Path) -> None:
    """A base image in place of python:slim, which cannot be had everywhere: the same Python on the same Debian."""
    if BASE in buildah("images", "--format", "{{.Name}}").split():
        return
    root = folder / "base"
    packages = "--include=python3,python3-venv,ca-certificates"
    subprocess.run(["debootstrap", "--variant=minbase", packages, "bookworm", root], check=True, capture_output=True, timeout=3600)
    shutil.copy(CERTIFICATES, root / CERTIFICATES.relative_to("/"))  # whatever this machine's registries are signed by
    container = buildah("from", "scratch")
    buildah("add", "-q", container, str(root), "/")
    buildah("commit", "-q", "--rm", container, BASE)


def built() -> None:
    """The image of this checkout."""
    buildah("bud", "--network", "host", "--pull-never", "--layers", "--build-arg", f"BASE={BASE}", "-t", IMAGE, ".")


class Container:
    """A writable copy of the image, run as Kubernetes would: read-only, as another user, without rights, ``/tmp`` and ``/state`` apart."""

    def __init__(self, folder: Path) -> None:
        self.name = buildah("from", "--pull-never", IMAGE)
        self.root = Path(buildah("mount", self.name))
        self.config = json.loads(buildah("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
        self.state, self.tmp = folder / "state", folder / "tmp"
        for each in (self.state, self.tmp):
            each.mkdir()
            os.chown(each, 10001, 10001)
        (self.root / "state").mkdir()

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """The entry point as process 1 of its own namespace; the one started here is its parent."""
        set_ = [*self.config["Env"], *(f"{name}={value}" for name, value in variables.items())]
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", RUN, "run"]
        environment = {**os.environ, "ROOT": str(self.root), "STATE": str(self.state), "TMP": str(self.tmp)}
        return subprocess.Popen(
            [*command, *set_, *self.config["Entrypoint"], *arguments], env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """Exit code, and all that was printed."""
        out, err = (process := self.start(*arguments, **variables)).communicate(timeout=300)
        return process.returncode, out + err

    def remove(self) -> None:
        """Leave nothing behind."""
        buildah("umount", self.name)
        buildah("rm", self.name)
