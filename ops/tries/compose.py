"""ops/compose/compose.yaml run by podman-compose, in a network namespace of its own.

An image with Debian's PostgreSQL stands in for the official one. It understands the variables that compose.yaml sets.
"""

import secrets
import shutil
import sys
from base64 import b64encode
from pathlib import Path
from tempfile import TemporaryDirectory

from tries.engine import BASE, COMPOSE_FILE, IMAGES, build, log_of
from tries.place import Place
from tries.steps import TryFailed, check, run, say, wait_until

NAMESPACE = "premade-ops"
NETWORK = Path("/run/netns", NAMESPACE)
POSTGRES_FILE = f"""
FROM {BASE}
RUN apt-get update && apt-get install --yes --no-install-recommends postgresql && rm -rf /var/lib/apt/lists/*
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data
COPY --chmod=755 entrypoint.sh /usr/local/bin/
ENTRYPOINT ["entrypoint.sh"]
"""
POSTGRES_ENTRYPOINT = """#!/bin/sh
set -eu
as_postgres="setpriv --reuid=postgres --regid=postgres --init-groups"
install -d -o postgres -g postgres -m 700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    install -o postgres -m 600 "$POSTGRES_PASSWORD_FILE" /tmp/password
    $as_postgres initdb --username="$POSTGRES_USER" --pwfile=/tmp/password --encoding=UTF8 --locale=C.UTF-8 \\
        --auth-local=trust --auth-host=scram-sha-256
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    $as_postgres pg_ctl start --wait --options "-c listen_addresses="
    $as_postgres createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
    $as_postgres pg_ctl stop --wait
fi
exec $as_postgres postgres -c listen_addresses=*
"""


def run_compose() -> None:
    """Start all, sell through the published port, restart, sell again, stop."""
    with TemporaryDirectory(prefix="premade-ops-") as folder:
        _build_postgres(Path(folder))
        compose_file = _with_secrets(Path(folder))
        # Not `ip netns exec`: that hides the cgroups.
        inside = ("nsenter", f"--net={NETWORK}")
        compose = (*inside, sys.executable, "-m", "podman_compose", "--file", str(compose_file))
        run("ip", "netns", "add", NAMESPACE)
        try:
            run("ip", "-n", NAMESPACE, "link", "set", "lo", "up")
            _use(compose)
        except TryFailed:
            say(run(*compose, "logs"))
            raise
        finally:
            run(*compose, "down", "--volumes")
            run("ip", "netns", "delete", NAMESPACE)


def _build_postgres(folder: Path) -> None:
    (folder / "Containerfile").write_text(POSTGRES_FILE)
    (folder / "entrypoint.sh").write_text(POSTGRES_ENTRYPOINT)
    build(folder / "Containerfile", IMAGES["postgres"], folder)


def _with_secrets(folder: Path) -> Path:
    """Copy the file, and write the secrets beside it as docs/operating.md says."""
    compose_file = folder / "compose.yaml"
    shutil.copy(COMPOSE_FILE, compose_file)
    secrets_folder = folder / "secrets"
    secrets_folder.mkdir(mode=0o700)
    password = secrets.token_hex(24)
    (secrets_folder / "postgres_password").write_text(password)
    (secrets_folder / "database_url").write_text(f"postgresql://premade:{password}@postgres/premade")
    (secrets_folder / "master_key").write_text(b64encode(secrets.token_bytes(32)).decode())
    for each in secrets_folder.iterdir():
        each.chmod(0o444)
    return compose_file


def _use(compose: tuple[str, ...]) -> None:
    place = Place(NETWORK, (*compose, "run", "--rm", "--no-deps", "service"))
    # Debian's podman does not know the conditions of depends_on, so the services start in that order here.
    start = (*compose, "up", "--detach", "--no-build", "--no-deps")
    run(*start, "postgres")
    wait_until(lambda: _is_healthy("postgres"), "PostgreSQL is not healthy")
    run(*start, "migrate")
    check(run("podman", "wait", _container("migrate")).strip() == "0", "the migration failed")
    run(*start, "service")
    wait_until(place.is_ready, "the service is not ready at the published port")
    key = place.open_shop()
    place.sell(key, "COMPOSE")
    place.get("/healthz", "--header", "X-Forwarded-For: 198.51.100.7")
    log = log_of(_container("service"))
    check("http.request" in log and "proxy_not_trusted" not in log, "the proxy's address is not trusted")
    run(*compose, "restart", "service")
    wait_until(place.is_ready, "the service is not ready after a restart")
    place.sell(key, "COMPOSE_2")
    check("ok" in place.premade("doctor"), "the doctor does not run")


def _container(service: str) -> str:
    """Return the id of the container of a service of compose.yaml."""
    label = f"label=com.docker.compose.service={service}"
    return run("podman", "ps", "--all", "--filter", label, "--quiet").strip()


def _is_healthy(service: str) -> bool:
    """Run the health check of a service, and return whether it passes."""
    try:
        run("podman", "healthcheck", "run", _container(service))
    except TryFailed:
        return False
    return True
