"""The running service against its own document, by requests that nobody thought of."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support.service import Service
from support.shop import Seller, Shop

from premade.partners.permission import PERMISSIONS

HERE = Path(__file__).parent
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
PHASES = ("examples", "coverage", "fuzzing", "stateful")
EXAMPLES_MAX = 100
PHASES_QUICK = ("examples", "fuzzing")
EXAMPLES_MAX_QUICK = 2
SECONDS_MAX = 570


def test_schemathesis_finds_nothing(
    service: Service, shop: Shop, seller_of_106: Seller, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    is_quick = pytestconfig.getoption("--quick")
    phases, examples_max = (PHASES_QUICK, EXAMPLES_MAX_QUICK) if is_quick else (PHASES, EXAMPLES_MAX)
    done = subprocess.run(
        [
            SCHEMATHESIS,
            "--config-file",
            HERE / "schemathesis.toml",
            "--no-color",
            "run",
            f"{service.url}/openapi.json",
            "--phases",
            ",".join(phases),
            "--max-examples",
            str(examples_max),
            "--report-junit-path",
            tmp_path / "report.xml",
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PREMADE_TEST_KEY": shop.key(seller_of_106.name, list(PERMISSIONS)).key,
            "SCHEMATHESIS_HOOKS": str(HERE / "schemathesis_hooks.py"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    for phase in phases:
        assert f"✅ {phase.capitalize()}" in done.stdout, done.stdout
    reported = ET.parse(tmp_path / "report.xml").getroot()
    tested = {case.attrib["name"] for case in reported.iter("testcase")}
    operations = {
        f"{method.upper()} {path}"
        for path, item in shop.client().get("/openapi.json").json()["paths"].items()
        for method in item
    }
    assert operations <= tested
    if "stateful" in phases:
        # Its stories got as far as a sale; otherwise they would have tried nothing but refusals.
        [sold] = shop.sql("SELECT count(*) FROM ota_orders WHERE partner_id = %s", seller_of_106.partner_id)
        assert sold["count"] > 0


def test_the_links_of_the_document_lead_from_the_stock_to_an_order(shop: Shop, seller_of_106: Seller) -> None:
    paths = shop.client().get("/openapi.json").json()["paths"]
    stock = seller_of_106.http.get("/api/ota/inventory").json()

    link = paths["/api/ota/inventory"]["get"]["responses"]["200"]["links"]["bulk_generate"]
    assert link["requestBody"] == {"product_id": "$response.body#/items/0/product_id"}
    product_id = stock["items"][0]["product_id"]
    made = seller_of_106.generate(1, product_id=product_id)
    link = paths["/api/ota/tickets/bulk-generate"]["post"]["responses"]["201"]["links"]["activate"]
    assert link["parameters"] == {"code": "$response.body#/tickets/0/ticket_code"}
    sale = seller_of_106.activate(made.json()["tickets"][0]["ticket_code"])
    link = paths["/api/ota/tickets/{code}/activate"]["post"]["responses"]["200"]["links"]["order"]
    assert link["parameters"] == {"order_id": "$response.body#/order_id"}
    assert seller_of_106.http.get(f"/api/ota/orders/{sale.json()['order_id']}").status_code == 200
