#!/bin/sh
# Install premade as a systemd service: sh ops/systemd/install.sh premade-0.3.0-py3-none-any.whl
# Run it from the folder of the sources of that version, as root. Run it again for another version: each version has its
# own folder, and /opt/premade is a link to the current one. It starts nothing and keeps the file of settings.
set -eu
here=$(dirname "$0")
wheel=${1:-}
if [ ! -f "$wheel" ]; then
    echo "usage: sh $0 WHEEL    (the wheel of the version to install)" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "Run this script as root." >&2
    exit 1
fi
# The service, another user, reads what this script writes.
umask 022
version=$(basename "$wheel" | cut -d - -f 2)
folder=/opt/premade-$version

install -D -m 644 "$here/premade.sysusers" /etc/sysusers.d/premade.conf
install -D -m 644 "$here/premade.tmpfiles" /etc/tmpfiles.d/premade.conf
systemd-sysusers premade.conf
install -d -m 700 -o premade -g premade /var/lib/premade
systemd-tmpfiles --create premade.conf

# A folder without pip is left by a run without the package python3-venv.
[ -x "$folder/bin/pip" ] || "${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/pip" install --quiet --require-hashes --requirement "$here/../../requirements/run.txt"
"$folder/bin/pip" install --quiet --no-deps "$wheel"
"$folder/bin/python" -m compileall -q "$folder/lib"
ln -sfn "$folder" /opt/premade

for unit in premade.socket premade.service premade-migrate.service premade-backup.service premade-backup.timer; do
    install -m 644 "$here/$unit" /etc/systemd/system/
done
for of in premade.service.d premade-.service.d; do
    install -D -m 644 "$here/hardening.conf" "/etc/systemd/system/$of/hardening.conf"
done
install -m 755 "$here/premade-command.sh" /usr/local/bin/premade
[ -e /etc/premade/premade.env ] || install -m 640 -o root -g premade "$here/premade.env" /etc/premade/premade.env
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi

echo "Installed premade $version. Edit /etc/premade/premade.env, then start it:"
echo "  systemctl start premade-migrate     (with DATABASE_URL only)"
echo "  systemctl enable --now premade.socket premade.service premade-backup.timer"
