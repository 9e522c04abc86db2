#!/bin/sh
# Run a premade command as the service runs: its user, its settings, its folder. Installed as /usr/local/bin/premade.
set -eu
if [ "$(id -u)" != 0 ] && [ "$(id -un)" != premade ]; then
    echo "premade: run this command as root, such as: sudo premade $*" >&2
    exit 1
fi
set -a
PREMADE_DATA_DIR=/var/lib/premade
. /etc/premade/premade.env
# The owner of the tables, if the service has a role of its own. Only root can read the file.
case ${1:-} in
    migrate | archive | restore)
        if [ -r /etc/premade/premade-migrate.env ]; then . /etc/premade/premade-migrate.env; fi
        ;;
esac
set +a
unset WORKERS
cd /var/lib/premade
if [ "$(id -un)" = premade ]; then
    exec /opt/premade/bin/premade "$@"
fi
exec runuser -u premade -- /opt/premade/bin/premade "$@"
