"""What the tests need beside Python: node's package manager, a browser, and Prometheus's promtool.

On a Debian where we are root it is installed; elsewhere what is missing is named, with its package.
"""

import os
import shutil
import subprocess
import sys

PACKAGE_OF = {"npm": "npm", "chromium": "chromium", "promtool": "prometheus"}
INSTALL_SECONDS_MAX = 900


def main() -> None:
    missing = sorted({package for command, package in PACKAGE_OF.items() if shutil.which(command) is None})
    if not missing:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        sys.exit(
            f"The tests need {', '.join(missing)}, which are Debian packages; other systems have them under like"
            f" names. Install them (on Debian: sudo apt-get install {' '.join(missing)}) and try again."
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
        print("$ apt-get", *arguments, flush=True)
        subprocess.run(
            ["apt-get", "-qq", *arguments], check=True, env=environment, timeout=INSTALL_SECONDS_MAX
        )


if __name__ == "__main__":
    main()
