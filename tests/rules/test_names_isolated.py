"""Every template isolates the names in it: one in Arabic or Hebrew must not reorder what stands beside it (UAX 9).

In text by `<bdi>`; in a title, an option and an attribute that people read, where no element can stand, by the isolate
characters.
"""

import re
from importlib import resources
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from premade.values.texts import isolated

TEMPLATES = {
    file.name: file.read_text() for file in Path(str(resources.files("premade.console"))).rglob("*.html")
}
ISOLATES_IN_TEXT, ISOLATES_ANYWHERE = {"bdi", "isolated"}, {"isolated"}
FORMATS = {
    "actor", "capitalize", "day", "days_left", "event", "exact", "length", "lower", "minute", "moment", "money", "number", "percent",
    "replace", "rfc3339", "safe", "state", "state_in_sentence", "tojson", "translated", "urlencode", "xmlattr",
}  # fmt: skip
"""Filters whose answers have no letters of another direction: figures, our own words, parts of addresses."""
READ_BY_PEOPLE = {"alt", "aria-label", "title", "placeholder", "label"}
"""Attributes. The others are for the browser; the value of a field stands in a box of its own."""
OURS = {
    # Ids, codes and other texts that are ASCII by their rules.
    "batch_id", "channel", "code", "code_prefix", "currency", "description of roles.html", "device_id", "function_code", "issue_number", "key", "key_id",
    "order_id", "partner_id", "prefix", "product_id", "request_id", "reservation_id", "rotated_from", "ticket_code",
    "ticket_type", "once", "form_token", "customer_phone", "id", "version", "role", "permissions",
    # Names of staff are ASCII too.
    "member.name", "staff_member.name", "each.name of staff.html", "names", "who",
    # Figures and days.
    "days", "day", "figure", "usable_days", "remaining_uses", "uses", "tickets of orders.html", "made", "sessions", "year",
    "today", "seconds_max", "shown_max", "holds_shown_max", "loop.index", "each of overview.html", "testers_max",
    # Words of our own.
    "zone", "done", "title", "remedy", "word", "unprintable", "label",
    "hint", "heading", "unit", "text", "own_name", "meaning", "kind", "event", "happened.event", "sentence", "cancellations", "app.qr", "app.secret", "key.networks", "each of recovery_codes.html",
    "password_characters_min", "gate_count_names", "scanned", "otherwise", "tickets", "kept", "each.note of preview.html", "stale_message", "preview.save_label",
    "back_to", "since", "total", "most", "service",
    "name of parts.html", "searched of search.html", "name of new_batch.html", "name of product_form.html", "name of key_new.html", "name of key_revoke.html", "name of audit.html", "state of batches.html", "refusal.text.title",
    # Templates of their own, which isolate (test_findings).
    "each.headline of overview.html", "each.advice of overview.html",
}  # fmt: skip


def _path(node: nodes.Node) -> str:
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{_path(node.node)}.{node.attr}"
    return _path(node.node) if isinstance(node, nodes.Getitem) else "?"


def _doubtful(node: nodes.Node, isolates: set[str], template: str) -> list[str]:
    """The names in an expression that nothing isolates."""
    if isinstance(node, nodes.Filter):
        if node.name in isolates | FORMATS:
            return []
        assert node.node is not None
        return _doubtful(node.node, isolates, template)
    if isinstance(node, nodes.Call):
        # Of a text of the catalogue, the values in it.
        values = node.kwargs if _path(node.node) in {"_", "ngettext"} else []
        return [path for value in values for path in _doubtful(value.value, isolates, template)]
    if isinstance(node, nodes.CondExpr):
        found = _doubtful(node.expr1, isolates, template)
        return found + (_doubtful(node.expr2, isolates, template) if node.expr2 else [])
    if isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem):
        path = _path(node)
        ours = {path, path.rpartition(".")[2]}
        is_ours = ours & OURS or {f"{each} of {template}" for each in ours} & OURS
        return [] if is_ours or path in _isolated_variables(template) else [path]
    if isinstance(node, nodes.Compare | nodes.Not):
        node = nodes.Const(None)
    return [path for child in node.iter_child_nodes() for path in _doubtful(child, isolates, template)]


_isolated: dict[str, set[str]] = {}


def _isolated_variables(template: str) -> set[str]:
    """The variables that a template sets to something isolated."""
    if template not in _isolated:
        names = _isolated[template] = set[str]()
        tree = Environment(autoescape=True, extensions=["jinja2.ext.i18n"]).parse(TEMPLATES[template])
        # What a block puts out is looked at where it stands.
        names.update(_path(each.target) for each in tree.find_all(nodes.AssignBlock))
        for each in tree.find_all(nodes.Assign):
            if not _doubtful(each.node, ISOLATES_IN_TEXT, template):
                names.add(_path(each.target))
    return _isolated[template]


def _outputs(template: str) -> list[tuple[str, nodes.Node]]:
    """What a template puts out, each with all that stands before it."""
    tree = Environment(autoescape=True, extensions=["jinja2.ext.i18n"]).parse(TEMPLATES[template])
    before, found = "", list[tuple[str, nodes.Node]]()
    for output in tree.find_all(nodes.Output):
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                before += node.data
            else:
                found.append((before, node))
                before += "x"
    return found


def _faults(template: str) -> list[str]:
    faults = list[str]()
    for before, node in _outputs(template):
        isolates = ISOLATES_IN_TEXT
        if before.rfind("<") > before.rfind(">"):
            attribute = re.search(r'([\w-]+)="[^"]*$', before)
            if attribute is None or attribute[1] not in READ_BY_PEOPLE:
                continue
            isolates = ISOLATES_ANYWHERE
        elif re.search(r"<(?:option|title|textarea)\b[^<]*$", before):
            if re.search(r"<textarea\b[^<]*$", before):
                continue
            isolates = ISOLATES_ANYWHERE
        faults += _doubtful(node, isolates, template)
    tree = Environment(autoescape=True, extensions=["jinja2.ext.i18n"]).parse(TEMPLATES[template])
    # A title stands in <title> and in <h1>.
    titles = [each for each in tree.find_all(nodes.Assign) if _path(each.target) == "title"]
    return faults + [path for each in titles for path in _doubtful(each.node, ISOLATES_ANYWHERE, template)]


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_a_template_isolates_every_name(template: str) -> None:
    assert _faults(template) == []


def test_isolate_characters_stand_around_what_turns_the_direction_only() -> None:
    assert isolated("\u0634\u0631\u0643\u0629 5") == "\u2068\u0634\u0631\u0643\u0629 5\u2069"
    assert [isolated(text) for text in ("Caf\u00e9 5", "\u65c5\u884c", "")] == [
        "Caf\u00e9 5",
        "\u65c5\u884c",
        "",
    ]
