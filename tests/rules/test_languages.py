"""The language of a reader: by Accept-Language, by the switch in the console, or by the operator's setting."""

from typing import Any

import pytest
from browser.visitors import visitor
from gate.conftest import gate_of, unsold
from gate.test_sync import results, use
from support.shop import Seller, Shop

from premade.texts.languages import SIMPLIFIED_CHINESE, TRADITIONAL_CHINESE, Choice, accepted_language
from premade.texts.translation import ENGLISH, Language

NONE = Choice(TRADITIONAL_CHINESE)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("en-GB,en;q=0.9", ENGLISH),
        ("zh-TW,zh;q=0.9,en;q=0.8", TRADITIONAL_CHINESE),
        ("zh-HK", TRADITIONAL_CHINESE),
        ("zh-Hant-TW", TRADITIONAL_CHINESE),
        ("zh-hant-x-private", TRADITIONAL_CHINESE),
        ("yue-HK", TRADITIONAL_CHINESE),
        ("zh", SIMPLIFIED_CHINESE),
        ("zh-CN", SIMPLIFIED_CHINESE),
        ("zh-Hans-HK", SIMPLIFIED_CHINESE),
        # The quality decides, not the order.
        ("en;q=0.5, zh-CN;q=0.7, zh-TW;q=0.6", SIMPLIFIED_CHINESE),
        ("en; Q=0.5, zh-HK;q=0.501", TRADITIONAL_CHINESE),
        # The first one that is offered.
        ("pt-PT, fr;q=0.9, zh-HK;q=0.1", TRADITIONAL_CHINESE),
        # Quality 0: not acceptable.
        ("zh-HK;q=0, en;q=0.1", ENGLISH),
        ("en;q=0", None),
        ("", None),
        ("*", None),
        ("pt", None),
        ("english", None),
        ("zh-HK;q=x", None),
        ("en;q=nan", None),
        (",;,-;q=", None),
        ("en," * 400, None),
    ],
)
def test_the_language_of_a_header(header: str, language: Language | None) -> None:
    assert accepted_language(header) == language


def test_the_choice_of_a_reader_comes_first_then_the_browser_then_the_operator() -> None:
    assert NONE.of_reader("zh-CN", "en") == ENGLISH
    assert NONE.of_reader("zh-CN", "") == SIMPLIFIED_CHINESE
    assert NONE.of_reader("zh-CN", "xx") == SIMPLIFIED_CHINESE
    assert NONE.of_reader("pt", "") == TRADITIONAL_CHINESE


def test_a_page_is_in_the_language_of_the_browser(shop: Shop) -> None:
    with visitor(shop, "admin") as ann:
        for path in ("/console", "/console/sign-in", "/console/gate", "/console/nowhere"):
            page = ann.http.get(path, headers={"Accept-Language": "zh-TW"}, follow_redirects=True)
            assert '<html lang="zh-Hant">' in page.text, path
            assert page.headers["Content-Language"] == "zh-Hant"
            assert "Accept-Language" in page.headers["Vary"]


def test_the_switch_keeps_the_choice_and_leads_back(shop: Shop) -> None:
    with visitor(shop, "admin") as ann:
        referer = f"{shop.url}/console/partners?find=a"
        answer = ann.http.post(
            "/console/language", data={"language": "zh-Hans"}, headers={"Referer": referer}
        )
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/console/partners?find=a"
        cookies = f"{ann.http.headers['Cookie']}; {answer.headers['Set-Cookie'].partition(';')[0]}"
        page = ann.http.get("/console", headers={"Accept-Language": "zh-TW", "Cookie": cookies})
        assert '<html lang="zh-Hans">' in page.text
        assert page.text.count('aria-current="true"') == 1


@pytest.mark.parametrize("language", ["", "xx", "zh-Hans; Path=/"])
def test_the_switch_takes_only_languages_that_there_are(shop: Shop, language: str) -> None:
    with visitor(shop, "admin") as ann:
        answer = ann.http.post("/console/language", data={"language": language})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


def test_the_switch_is_for_own_pages(shop: Shop) -> None:
    with visitor(shop, "admin") as ann:
        foreign = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
        assert ann.http.post("/console/language", data={"language": "en"}, headers=foreign).status_code == 403


def test_the_gate_page_is_stored_in_one_language(shop: Shop) -> None:
    with visitor(shop, "gate") as ben:
        workers = {
            language: ben.http.get("/console/gate/worker.js", headers={"Accept-Language": language}).text
            for language in ("en", "zh-TW")
        }
        assert workers["en"].partition("\n")[0] != workers["zh-TW"].partition("\n")[0]
        for language, worker in workers.items():
            page = ben.http.get("/console/gate/offline", headers={"Accept-Language": language}).text
            version = page.partition("/console/gate/files/")[2].partition("/")[0]
            assert f'"version":"{version}"' in worker


def test_the_texts_of_problems_are_translated_and_nothing_else(shop: Shop, seller: Seller) -> None:
    def problem(language: str | None) -> tuple[dict[str, Any], str, str]:
        headers = {} if language is None else {"Accept-Language": language}
        answer = seller.http.get("/api/ota/orders", params={"limit": "x", "z": "1"}, headers=headers)
        assert answer.status_code == 400
        return answer.json(), answer.headers["Content-Language"], answer.headers["Vary"]

    english, chinese = problem(None), problem("zh-HK, en;q=0.9")
    translated = ("title", "detail", "errors", "request_id")
    assert (english[1], chinese[1]) == ("en", "zh-Hant")
    assert "Accept-Language" in english[2]
    assert "Accept-Language" in chinese[2]
    assert {k: v for k, v in english[0].items() if k not in translated} == {
        k: v for k, v in chinese[0].items() if k not in translated
    }
    assert (english[0]["title"], chinese[0]["title"]) == ("The request is not valid", "請求無效")
    details = {wrong["pointer"]: wrong["detail"] for wrong in chinese[0]["errors"]}
    assert details["query#/limit"].startswith("必須是")
    assert details["query#/z"].startswith("沒有這個查詢參數")
    assert problem("fr")[0]["title"] == english[0]["title"]


def test_an_unknown_address_and_a_large_body_are_refused_in_the_language_of_the_request(
    shop: Shop, seller: Seller
) -> None:
    chinese = {"Accept-Language": "zh-CN"}
    assert seller.http.get("/api/nowhere", headers=chinese).json()["title"] == "这个网址不存在"
    # A large body is read in a thread of its own.
    large = {"quantity": "x", "metadata": {"a": "b" * 70_000}}
    answer = seller.http.post("/api/ota/tickets/bulk-generate", json=large, headers=chinese)
    assert {wrong["detail"] for wrong in answer.json()["errors"]} == {
        "必填",
        "必须是整数：不含小数或引号的 JSON 数字",
        "以 JSON 计必须最多 4096 字节，现为 70008",
    }


def test_the_audit_record_is_in_english(shop: Shop, seller: Seller) -> None:
    gate = gate_of(shop, seller.name)
    [ticket] = unsold(seller, 1)
    gate.http.headers["Accept-Language"] = "zh-HK"
    [conflict] = results(gate.sync(use(ticket)))
    # A repeated upload gets the recorded result, so the first one does too.
    assert conflict["message"] == "This ticket is not sold yet and not valid."
    [event] = shop.sql(
        "SELECT data FROM audit_events WHERE ticket_code = %s AND event LIKE '%%conflict'", ticket.code
    )
    assert event["data"]["reason"] == "This ticket is not sold yet and not valid."
