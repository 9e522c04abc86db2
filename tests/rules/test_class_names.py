"""A class has a name that no other class has, so that a reader or a search finds one thing."""

import ast
from collections import defaultdict
from pathlib import Path

import premade

SOURCE = Path(premade.__file__).parent


def test_no_two_classes_have_the_same_name() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(file.relative_to(SOURCE)))

    assert len(places) > 500
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
