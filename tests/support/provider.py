"""A real OpenID provider, the npm package `oidc-provider`, in a process of its own."""

import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import httpx

CLIENT_ID = "premade"
CLIENT_SECRET = "a secret: with % and +"
_SCRIPT = Path(__file__).with_name("provider.mjs")


@contextmanager
def running_provider() -> Generator[str]:
    """The issuer of a running provider."""
    node = shutil.which("node")
    assert node
    with subprocess.Popen(
        [node, str(_SCRIPT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        issuer = process.stdout.readline().strip()
        assert issuer.startswith("http://127.0.0.1:")
        try:
            yield issuer
        finally:
            process.stdin.close()


def signs_in_there(browser: httpx.Client, at: str, action: str = "sign-in", **values: str) -> str:
    """Follow the way through the provider, from this address of it, to the address at premade where it ends."""
    answer = browser.get(at)
    interaction = urljoin(at, answer.headers["location"])
    assert "/interaction/" in interaction, interaction
    answer = browser.get(f"{interaction}/{action}", params=values)
    while answer.headers["location"].startswith(at.partition("/auth")[0]):
        answer = browser.get(answer.headers["location"])
    return answer.headers["location"]
