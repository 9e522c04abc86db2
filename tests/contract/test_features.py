"""Each feature folder exports one FEATURE, and the application wires each of them."""

import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import premade
from premade.app import FEATURES
from premade.http.wiring import Feature

SOURCE = Path(premade.__file__).parent


def folders_with(name: str) -> set[str]:
    return {path.parent.name for path in SOURCE.glob(f"*/{name}")}


def feature_of(folder: str) -> Feature:
    return import_module(f"premade.{folder}.feature").FEATURE


def test_every_folder_with_routes_exports_a_feature() -> None:
    assert folders_with("*routes.py") <= folders_with("feature.py")


def test_the_application_lists_every_feature_once() -> None:
    exported = {folder: feature_of(folder) for folder in folders_with("feature.py")}
    assert len(FEATURES) == len(exported)
    assert not [folder for folder, feature in exported.items() if feature not in FEATURES]


def test_each_service_is_made_by_one_feature() -> None:
    made = Counter(kind for feature in FEATURES for kind in feature.services)
    assert made
    assert not [kind for kind, times in made.items() if times > 1]


def test_each_background_task_has_its_own_name_in_the_log() -> None:
    names = Counter(task.name for feature in FEATURES for task in feature.background)
    assert names
    assert not [name for name, times in names.items() if times > 1]


def test_each_service_that_is_used_is_made() -> None:
    used = {
        name
        for path in SOURCE.rglob("*.py")
        for name in re.findall(r"\.(?:use\(|services\[)([A-Z]\w+)[\])]", path.read_text(encoding="utf-8"))
    }
    assert {"Keyring", "Redeemer", "Readiness"} <= used
    assert not used - {kind.__name__ for feature in FEATURES for kind in feature.services} - {"Runtime"}
