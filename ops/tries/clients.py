"""Send requests over new connections until standard input ends; print how they ended, as JSON.

It runs in the network namespace of the service: `nsenter --net=… python clients.py URL`.
"""

import json
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

CLIENTS = 4
TIMEOUT_SECONDS = 90


def main() -> None:
    """Count the results of requests to the URL."""
    url = sys.argv[1]
    stop = threading.Event()
    results: Counter[str] = Counter()

    def send() -> None:
        while not stop.is_set():
            try:
                with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
                    results[str(response.status)] += 1
            except urllib.error.HTTPError as error:
                results[str(error.code)] += 1
            except OSError as error:
                results[str(getattr(error, "reason", error))] += 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(send) for _ in range(CLIENTS)]
        sys.stdin.read()
        stop.set()
        for each in running:
            each.result()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
