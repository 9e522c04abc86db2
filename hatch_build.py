"""Part of the build of the wheel: compile the translations."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TEXTS = Path("src", "premade", "texts")
NO_TIME = datetime.fromtimestamp(0, UTC)


class CompiledTranslations(BuildHookInterface[Any]):
    """Adds each `console.po` to the wheel as `console.mo`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile. An editable installation reads the sources."""
        if self.target_name != "wheel" or version == "editable":
            return
        # Deleted with this object, at the end of the build.
        self._folder = tempfile.TemporaryDirectory()
        for source in sorted(Path(self.root, TEXTS).glob("*/LC_MESSAGES/console.po")):
            language = source.parts[-3]
            compiled = Path(self._folder.name, f"{language}.mo")
            with source.open("rb") as texts, compiled.open("wb") as out:
                catalogue = read_po(texts, locale=language)
                # Otherwise the time of the build, and no two builds would be the same.
                catalogue.creation_date = NO_TIME
                write_mo(out, catalogue)
            build_data["force_include"][str(compiled)] = f"premade/texts/{language}/LC_MESSAGES/console.mo"
