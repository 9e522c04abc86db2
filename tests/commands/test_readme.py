"""The lines of the README and of /docs, pasted into a shell beside a demo."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from commands.test_demo import COMMAND, running_demo
from support.service import environment_for

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README says curl")
@pytest.mark.nightly
def test_the_story_of_a_batch_can_be_pasted_as_it_stands(home: Path) -> None:
    data_dir, folder = home / "data", home / "pasted"
    folder.mkdir()
    story = README.read_text().partition("## The story of a batch")[2].partition("\n## ")[0]
    operator, generate, activate = re.findall(r"```sh\n(.*?)```", story, re.DOTALL)
    program = folder / "premade"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m premade "$@"\n')
    program.chmod(0o755)
    environment = {**environment_for(None, data_dir), "PATH": f"{folder}:/usr/local/bin:/usr/bin:/bin"}

    def pasted(lines: str) -> str:
        done = subprocess.run(
            ["sh", "-e", "-c", lines], env=environment, cwd=folder, capture_output=True, text=True, check=False,
            timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    with running_demo(COMMAND, data_dir, terminal=False) as demo:
        told = demo.output
        kept = json.loads((data_dir / "demo.json").read_text())
        [key] = re.findall(r"^key +(pm_live_\S+)$", pasted(operator), re.MULTILINE)
        lines = re.sub(r"KEY=\S+", f"KEY={key}", generate + activate).replace(
            "http://127.0.0.1:8080", demo.url
        )
        answer = json.loads(pasted(lines))
        document = httpx.get(f"{demo.url}/openapi.json").json()
        [first_sale] = re.findall(r"```sh\n(.*?)```", document["info"]["description"], re.DOTALL)
        lines = re.sub(r"KEY=\S+", f"KEY={kept['test_key']}", first_sale).replace(
            "http://127.0.0.1:8080", demo.url
        )
        answer_of_docs = json.loads(pasted(lines))

    assert (answer["status"], answer["total_amount"], answer["currency"]) == ("ACTIVE", "95.00", "HKD")
    assert answer_of_docs["status"] == "ACTIVE"
    # A test key for the newcomer's own tests stands among what the demo printed.
    assert kept["test_key"].startswith("pm_test_")
    assert kept["test_key"] in told
