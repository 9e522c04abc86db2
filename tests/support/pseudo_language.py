"""The console in a pseudo-language: each text of the catalogue with marks around it."""

import re
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import uvicorn
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from catalogue import catalogue

from premade.app import FEATURES, make_app
from premade.console.feature import FEATURE as CONSOLE
from premade.console.routes import console_routes
from premade.http.wiring import Feature
from premade.runtime.clock import Runtime
from premade.runtime.settings import Settings
from premade.texts.languages import Choice
from premade.texts.translation import Language
from support.shop import Shop

PLACEHOLDER = re.compile(r"(%\(\w+\)[srd]|%%|\{\{[^{}]*\}\}|\{[^{}]*\}|<[^>]*>)")
ACCENTS = str.maketrans("aeiouAEIOU", "áéíóúÁÉÍÓÚ")
MARKED = re.compile("⟦[^⟦⟧]*⟧")


def pseudo(text: str) -> str:
    """Mark each part of a text that is no placeholder."""
    parts = PLACEHOLDER.split(text)
    return "".join(
        part if place % 2 or not part else f"⟦{part.translate(ACCENTS)}⟧" for place, part in enumerate(parts)
    )


def pseudo_language(folder: Path) -> Language:
    """A language like any other: its catalogue is compiled, in a file."""
    translated = Catalog(locale="de", charset="utf-8")
    for message in catalogue():
        if isinstance(message.id, tuple):
            translated.add(message.id, [pseudo(each) for each in message.id], context=message.context)
        elif message.id:
            translated.add(message.id, pseudo(str(message.id)), context=message.context)
    file = folder / "console.mo"
    with file.open("wb") as out:
        write_mo(out, translated)
    return Language("de", "Deutsch", "en_GB", lambda: GNUTranslations(BytesIO(file.read_bytes())))


@contextmanager
def translated_service(dsn: str, folder: Path) -> Generator[str]:
    """The address of a service with its console in that language."""
    language = pseudo_language(folder)

    def pages(app: Any) -> Any:
        return console_routes(app.state.runtime, Choice(language, (language,)))

    features: list[Feature] = [replace(each, pages=pages) if each is CONSOLE else each for each in FEATURES]
    app = make_app(Settings(database_url=dsn), Runtime(ZoneInfo("UTC")), features=features)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def names_in(shop: Shop) -> set[str]:
    """The words in names that are in the database, in small letters: other tests leave theirs."""
    rows = shop.sql(
        "SELECT name, ticket_type, code_prefix, currency FROM products"
        " UNION ALL SELECT name, channel, '', '' FROM partners UNION ALL SELECT name, '', '', '' FROM staff"
        " UNION ALL SELECT channel, '', '', '' FROM allotments UNION ALL SELECT function_code, '', '', '' FROM product_functions"
    )
    text = " ".join(str(value) for row in rows for value in row.values())
    return {word.lower() for word in re.findall(r"[^\s\"{}:,()]+", text)}
