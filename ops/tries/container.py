"""ops/container/Containerfile built and run, and ops/compose/compose.yaml run with that image."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tries.clients import CLIENTS
from tries.compose import run_compose
from tries.engine import IMAGE, engine, log_of
from tries.place import Place
from tries.steps import TryFailed, check, run, say, wait_until

NAME = "premade-try"
USER_ID = "10001"
CONFINED = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges"]
BUILD_TOOLS = ["pip", "pip3", "gcc", "cc", "make", "git"]
DRAIN_SECONDS = 3


def try_container() -> None:
    """Look at the image, run it with a read-only root, sell, check its health, stop it under load; then with compose."""
    with engine():
        _look_at_image()
        _run_and_stop()
        _without_database()
        run_compose()


def _look_at_image() -> None:
    [image] = json.loads(run("podman", "inspect", "--type", "image", IMAGE))
    user = image["Config"]["User"]
    check(user == f"{USER_ID}:{USER_ID}", f"the image runs as {user}")
    check("/readyz" in str(image["Healthcheck"]), "the image has no health check")
    say(f"size of the image: {image['Size'] / 1e6:.0f} MB")
    tools = run("podman", "run", "--rm", "--network=none", "--entrypoint", "sh", IMAGE, "-c",
                f"for tool in {' '.join(BUILD_TOOLS)}; do command -v $tool; done; true")  # fmt: skip
    check(not tools, f"the image has build tools: {tools}")


@contextmanager
def _container(*options: str) -> Generator[Place]:
    """Run the image without a network, with a read-only root."""
    run("podman", "run", "--detach", "--name", NAME, "--network=none", *CONFINED, *options, IMAGE)
    try:
        pid = run("podman", "inspect", "--format", "{{.State.Pid}}", NAME).strip()
        yield Place(Path(f"/proc/{pid}/ns/net"), ("podman", "exec", NAME, "premade"))
    except TryFailed:
        say(log_of(NAME))
        raise
    finally:
        run("podman", "rm", "--force", "--volumes", NAME)


def _run_and_stop() -> None:
    """The embedded PostgreSQL needs the one folder that can be written."""
    volume = "premade-data:/var/lib/premade"
    with _container("--init", "--volume", volume, "--env", f"PREMADE_DRAIN_SECONDS={DRAIN_SECONDS}") as place:
        wait_until(place.is_ready, "the service is not ready")
        check(run("podman", "exec", NAME, "id", "-u").strip() == USER_ID, "it runs as another user")
        written = run("podman", "exec", NAME, "sh", "-c", "touch /opt/premade/x /etc/x /x 2>&1 || true")
        check(written.count("Read-only file system") == 3, f"the root can be written: {written}")
        key = place.open_shop()
        place.sell(key, "IN_CONTAINER")
        run("podman", "healthcheck", "run", NAME)
        with place.clients() as results:
            wait_until(lambda: "http.request" in log_of(NAME), "no request arrives")
            run("podman", "kill", "--signal", "TERM", NAME)
            wait_until(lambda: not place.is_ready(), "it stays ready")
            code = run("podman", "wait", NAME).strip()
        say(f"requests during the stop: {results}")
        check(code == "0", f"it ended with {code}")
        check("service.stopped" in log_of(NAME), "it did not stop in order")
        # A process without rights may not attach the socket filter of ADR 27 on each kernel. Then the connections of the
        # last moment are reset: at most one of each client.
        resets = sum(number for result, number in results.items() if "reset" in result)
        others = {result for result in results if "refused" not in result and "reset" not in result}
        check(others == {"200"} and resets <= CLIENTS, f"requests failed: {results}")
    with _container("--init", "--volume", volume) as place:
        wait_until(place.is_ready, "it does not start again")
        place.sell(key, "AGAIN")


def _without_database() -> None:
    """A service without its database runs, and the health check says that it is not healthy."""
    address = "DATABASE_URL=postgresql://premade@127.0.0.1:1/premade"
    with _container("--env", address) as place:
        wait_until(lambda: "premade serves" in log_of(NAME), "it does not start")
        place.get("/healthz")
        try:
            run("podman", "healthcheck", "run", NAME)
        except TryFailed:
            return
        raise TryFailed("the health check passes without a database")
