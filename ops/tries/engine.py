"""podman and buildah with a store of their own: a base image that debootstrap makes, and the image of premade on it.

The base image gets the name that the Containerfile uses. Everything else is the Containerfile's own: its steps are not
copied here.
"""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from tries.steps import CACHE, ROOT, debian_root, locked_wheels, need, need_root, run, wheel

BASE = "docker.io/library/debian:bookworm-slim"
COMPOSE_FILE = ROOT / "ops" / "compose" / "compose.yaml"
IMAGES: dict[str, str] = {
    name: service["image"] for name, service in yaml.safe_load(COMPOSE_FILE.read_text())["services"].items()
}
"""Image of each service of compose.yaml."""
IMAGE = IMAGES["service"]
COMMANDS = [
    "buildah", "podman", "runc", "conmon", "catatonit", "nsenter", "curl", "ip", "iptables",
    "/usr/lib/podman/netavark", "/usr/lib/podman/aardvark-dns",
]  # fmt: skip
STORE = f"""
[storage]
driver = "overlay"
graphroot = "{CACHE}/containers"
runroot = "/run/premade-ops"
"""
# Some virtual machines do not allow podman's own limits, and have cgroups that only runc can use.
ENGINE = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=1000:1000"]
[engine]
runtime = "runc"
"""
PIP = "[global]\nno-index = true\nfind-links = /wheels\n"


@contextmanager
def engine() -> Generator[None]:
    """Prepare the store with both images, and remove all of it at the end."""
    need_root()
    need(*COMMANDS)
    CACHE.mkdir(parents=True, exist_ok=True)
    for variable, name, text in (
        ("CONTAINERS_STORAGE_CONF", "storage.conf", STORE),
        ("CONTAINERS_CONF", "containers.conf", ENGINE),
    ):
        (CACHE / name).write_text(text)
        os.environ[variable] = str(CACHE / name)
    _remove_all()
    try:
        _import_base()
        _build_image()
        yield
    finally:
        _remove_all()


def _remove_all() -> None:
    run("podman", "rm", "--force", "--all", "--volumes")
    run("podman", "rmi", "--force", "--all")
    run("podman", "volume", "prune", "--force")


def _import_base() -> None:
    archive = CACHE / "base.tar"
    base = debian_root("base", [])
    run("tar", "--create", "--file", archive, "--directory", base, "--exclude=./var/cache/apt/*", ".")
    run("podman", "import", archive, BASE)
    archive.unlink()


def _build_image() -> None:
    """Build from a copy of what the Containerfile needs. pip takes the locked wheels from a folder."""
    with TemporaryDirectory(prefix="premade-ops-") as folder:
        context = Path(folder)
        for name in ("requirements", "dist"):
            (context / name).mkdir()
        shutil.copy(ROOT / "requirements/run.txt", context / "requirements")
        shutil.copy(ROOT / ".dockerignore", context)
        wheel(context / "dist")
        settings = context / "pip.conf"
        settings.write_text(PIP)
        volumes = [f"--volume={locked_wheels()}:/wheels:ro", f"--volume={settings}:/etc/pip.conf:ro"]
        build(ROOT / "ops/container/Containerfile", IMAGE, context, *volumes)


def build(file: Path, image: str, context: Path, *options: str) -> None:
    """Build an image without a registry."""
    run("buildah", "bud", "--format", "docker", "--isolation", "chroot", "--network", "host", "--pull-never",
        *options, "--file", file, "--tag", image, context)  # fmt: skip


def log_of(container: str) -> str:
    """Return what a container has written, to both streams."""
    return run("sh", "-c", f"podman logs {container} 2>&1")
