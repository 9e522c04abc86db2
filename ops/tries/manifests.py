"""ops/compose and ops/kubernetes against the schemas of the specifications, and against each other.

compose-spec (PyPI) is a strict parser of the Compose Specification. kubernetes-validate (PyPI) has the JSON schemas of
the Kubernetes API, of several versions.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from tries.engine import COMPOSE_FILE
from tries.steps import ROOT, TryFailed, check, say

MANIFESTS = ROOT / "ops" / "kubernetes"
NOT_IN_KUSTOMIZATION = {"secret.example.yaml", "migration-job.yaml"}
KUBERNETES = ["1.29", "1.33", "1.36"]
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def try_manifests() -> None:
    """Validate the files, and check that the validators find mistakes."""
    _try_compose()
    _try_kubernetes()


def _try_compose() -> None:
    parse: Callable[[str], Any] = import_module("compose_spec").PyCompose.from_yaml
    text = COMPOSE_FILE.read_text()
    # The parser does not resolve merge keys (<<), which the specification allows; the YAML library does.
    merged = yaml.safe_dump(yaml.safe_load(text))
    parsed = parse(merged)
    _must_refuse(
        lambda: parse(merged.replace("read_only:", "readonly:", 1)), "an unknown member of a service"
    )
    _must_refuse(lambda: parse(merged.replace("service_healthy", "healthy", 1)), "an unknown condition")
    document = yaml.safe_load(text)
    for name, service in document["services"].items():
        for kind in ("secrets", "networks"):
            unknown = set(service.get(kind, [])) - set(document[kind])
            check(not unknown, f"{name} uses {kind} that are not defined: {unknown}")
        unknown = set(service.get("depends_on", {})) - set(document["services"])
        check(not unknown, f"{name} depends on unknown services: {unknown}")
    say(f"compose.yaml is valid: {', '.join(parsed.service_names())}")


def _try_kubernetes() -> None:
    validate: Callable[..., None] = import_module("kubernetes_validate").validate
    files = {path.name: _resource(path) for path in sorted(MANIFESTS.glob("*.yaml"))}
    kustomization = files.pop("kustomization.yaml")
    check(
        set(kustomization["resources"]) == set(files) - NOT_IN_KUSTOMIZATION,
        "kustomization.yaml has other files",
    )
    for version in KUBERNETES:
        for resource in files.values():
            validate(resource, version, strict=True)
        wrong = {**files["deployment.yaml"], "spec": {**files["deployment.yaml"]["spec"], "replica": 2}}
        _must_refuse(
            lambda wrong=wrong, version=version: validate(wrong, version, strict=True), "an unknown member"
        )
    _check_pods(files)
    say(f"{len(files)} manifests are valid for Kubernetes {', '.join(KUBERNETES)}: {', '.join(files)}")


def _check_pods(files: dict[str, Any]) -> None:
    """Check what a schema cannot know: names that other files use, and the rules of the restricted profile."""
    deployment = files["deployment.yaml"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    for selector in (
        deployment["selector"]["matchLabels"],
        files["service.yaml"]["spec"]["selector"],
        files["pod-disruption-budget.yaml"]["spec"]["selector"]["matchLabels"],
        files["network-policy.yaml"]["spec"]["podSelector"]["matchLabels"],
    ):
        check(selector.items() <= labels.items(), f"no pod has the labels {selector}")
    images: set[str] = set()
    for name in ("deployment.yaml", "migration-job.yaml"):
        pod = files[name]["spec"]["template"]["spec"]
        check(pod["securityContext"]["runAsNonRoot"], f"{name}: a pod may run as root")
        check(
            pod["serviceAccountName"] == files["service-account.yaml"]["metadata"]["name"], f"{name}: account"
        )
        [container] = pod["containers"]
        images.add(container["image"])
        check(container["securityContext"] == RESTRICTED, f"{name}: the container is not restricted")
        sources = {next(iter(source.values()))["name"] for source in container["envFrom"]}
        known = {files[file]["metadata"]["name"] for file in ("configmap.yaml", "secret.example.yaml")}
        check(sources == known, f"{name} takes its settings from {sources}")
    check(len(images) == 1, f"the files name several images: {images}")
    [container] = deployment["template"]["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    used = {container[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "liveness", "readiness")}
    used |= {port["targetPort"] for port in files["service.yaml"]["spec"]["ports"]}
    check(used <= ports, f"no container has the ports {used - ports}")
    grace = deployment["template"]["spec"]["terminationGracePeriodSeconds"]
    drain = float(files["configmap.yaml"]["data"]["PREMADE_DRAIN_SECONDS"])
    check(grace > drain + 24, "Kubernetes kills a pod before it has sent its responses")


def _resource(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def _must_refuse(attempt: Callable[[], object], what: str) -> None:
    try:
        attempt()
    except Exception:  # noqa: BLE001  (each validator has its own)
        return
    raise TryFailed(f"the validator accepts {what}")
