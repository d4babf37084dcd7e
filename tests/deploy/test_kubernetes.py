"""The manifests fit each other, the image, the configuration, and Kubernetes' own rules."""

import copy
import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import gateway
from gateway.cli.serve import GRACE
from gateway.config.loader import load
from gateway.config.sections import Config
from gateway.ops.health import operators_app
from gateway.web.policy import is_public
from tests.deploy.container import command, last, steps
from tests.deploy.kubernetes import FOLDER, Manifest, documents, kustomization, rendered
from tests.deploy.pod_security import breaches
from tests.deploy.schemas import NoSchema, faults
from tests.repo.source import ROOT

ALL = rendered(components=("prometheus-operator",))
POD, CONTAINER = ALL.pod["spec"], ALL.container
STEPS = steps((ROOT / "Dockerfile").read_text("utf-8"))
# From the oldest whose schemas are kept on; in between they only gained fields.
VERSIONS = ("v1.25.0", "v1.31.0", "v1.37.0")
PORTS = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
VOLUMES = {volume["name"]: volume for volume in POD["volumes"]}
PLACES = {one["name"]: Path(one["mountPath"]) for one in CONTAINER["volumeMounts"]}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """What the gateway of the pod is configured with, its secrets being anything."""
    text = ALL.one("ConfigMap")["data"]["config.yaml"]
    for item in VOLUMES["secrets"]["secret"]["items"]:
        (tmp_path / item["path"]).write_text(f"sk-{item['key']}-of-the-test")
    path = tmp_path / "config.yaml"
    path.write_text(text.replace(str(PLACES["secrets"]), str(tmp_path)))
    return load(str(path), {}).config


# Whole


def test_every_file_is_used_and_every_file_that_is_used_is_there() -> None:
    there = {path for path in FOLDER.rglob("*") if path.is_file()}
    assert ALL.files == there


def test_all_objects_but_the_namespace_are_in_it() -> None:
    (namespace,) = ALL.all("Namespace")
    places = {one["metadata"].get("namespace") for one in ALL.objects} - {None}
    assert places == {namespace["metadata"]["name"]}
    labels = namespace["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_objects_are_of_kubernetes_own_schemas(version: str) -> None:
    ours = [one for one in ALL.objects if one["kind"] != "ServiceMonitor"]  # not Kubernetes' own
    assert len(ours) == len(ALL.objects) - 1
    assert {one["kind"]: faults(one, version) for one in ours} == {one["kind"]: [] for one in ours}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("spec", "replicas"), "1", "Deployment.spec.replicas: str, not"),
        (("spec", "replica"), 1, "Deployment.spec.replica: there is no such field"),
        (("spec", "selector"), [], "Deployment.spec.selector: list, not"),
        (("spec", "template", "spec", "containers"), [{}], "containers[0]: name is missing"),
        (("spec", "strategy", "rollingUpdate"), {"maxSurge": True}, "maxSurge: True fits not"),
        (("apiVersion",), "apps/v1beta1", None),
    ],
)
def test_what_is_not_would_be_told(path: tuple[str, ...], value: object, said: str | None) -> None:
    wrong = copy.deepcopy(ALL.one("Deployment"))
    place = wrong
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    if said is None:
        with pytest.raises(NoSchema, match="no apps/v1beta1 Deployment"):
            faults(wrong, VERSIONS[-1])
    else:
        assert said in "\n".join(faults(wrong, VERSIONS[-1]))


# The pod


def test_the_pod_keeps_the_restricted_profile() -> None:
    assert breaches(ALL.pod) == []
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True
    assert POD["automountServiceAccountToken"] is False


def _pod(change: Callable[[Any], object]) -> Manifest:
    pod = copy.deepcopy(ALL.pod)
    change(pod["spec"])
    return pod


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda spec: spec.update(hostNetwork=True), "hostNetwork is on"),
        (lambda spec: spec.update(hostPID=True), "hostPID is on"),
        (lambda spec: spec["containers"][0]["ports"][0].update(hostPort=1), "the host's port 1"),
        (lambda spec: _inner(spec).update(privileged=True), "gateway is privileged"),
        (lambda spec: _inner(spec).update(procMount="Unmasked"), "gateway sees all of /proc"),
        (lambda spec: _inner(spec).pop("allowPrivilegeEscalation"), "gateway may gain privileges"),
        (lambda spec: _inner(spec).pop("capabilities"), "gateway keeps capabilities"),
        (lambda spec: _inner(spec)["capabilities"].update(add=["NET_RAW"]), "is given NET_RAW"),
        (lambda spec: spec["securityContext"].pop("runAsNonRoot"), "gateway may be root"),
        (lambda spec: _inner(spec).update(runAsNonRoot=False), "gateway may be root"),
        (lambda spec: spec["securityContext"].update(runAsUser=0), "the pod is root"),
        (lambda spec: spec["securityContext"].pop("seccompProfile"), "every system call"),
        (
            lambda spec: _inner(spec).update(seccompProfile={"type": "Unconfined"}),
            "gateway may make every system call",
        ),
        (
            lambda spec: _inner(spec).update(appArmorProfile={"type": "Unconfined"}),
            "not confined by AppArmor",
        ),
        (lambda spec: _inner(spec).update(seLinuxOptions={"user": "u"}), "its SELinux label"),
        (
            lambda spec: spec["securityContext"].update(sysctls=[{"name": "kernel.msgmax"}]),
            "the pod sets kernel.msgmax",
        ),
        (
            lambda spec: spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
            "volume host is of kind hostPath",
        ),
        (
            lambda spec: spec.update(initContainers=[{"name": "first"}]),
            "first may gain privileges",
        ),
    ],
)
def test_a_breach_of_it_would_be_told(change: Callable[[Any], object], said: str) -> None:
    assert said in "\n".join(breaches(_pod(change)))


def _inner(spec: Any) -> Any:
    return spec["containers"][0]["securityContext"]


def test_it_runs_the_image_as_it_is_made() -> None:
    (image,) = kustomization(FOLDER)["images"]
    (asked,) = {
        one["spec"]["template"]["spec"]["containers"][0]["image"]
        for one in documents(FOLDER / "deployment.yaml")
    }
    assert asked == image["name"] == "image-gateway"
    assert image["newTag"] == gateway.__version__
    assert CONTAINER["image"].endswith(f"/image-gateway:{gateway.__version__}")
    user, group = last("USER", STEPS).split(":")
    context = POD["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (int(user), int(group))
    assert "command" not in CONTAINER
    assert "args" not in CONTAINER
    read = Path(command(last("CMD", STEPS))[-1])
    assert PLACES["config"] == read.parent
    assert read.name in ALL.one("ConfigMap")["data"]
    assert PLACES["data"] == Path(last("VOLUME", STEPS))


def test_whatever_is_mounted_is_there_and_arrives_whole() -> None:
    assert set(PLACES) == set(VOLUMES)
    assert VOLUMES["config"]["configMap"]["name"] == ALL.one("ConfigMap")["metadata"]["name"]
    claim = VOLUMES["data"]["persistentVolumeClaim"]["claimName"]
    assert claim == ALL.one("PersistentVolumeClaim")["metadata"]["name"]
    assert all("subPath" not in one for one in CONTAINER["volumeMounts"])
    writable = [one["name"] for one in CONTAINER["volumeMounts"] if not one.get("readOnly")]
    assert writable == ["data"]
    assert not [one for one in ALL.objects if one["kind"] == "Secret"]  # never in a repository


def test_there_is_never_a_second_process_beside_the_first() -> None:
    spec = ALL.one("Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert ALL.one("PersistentVolumeClaim")["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_the_probes_ask_what_the_gateway_answers() -> None:
    answered = {route.path for route in operators_app({}).routes}  # type: ignore[attr-defined]
    probes = {
        kind: CONTAINER[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")
    }
    assert {probe["port"] for probe in probes.values()} == {"operators"}
    paths = {kind: probe["path"] for kind, probe in probes.items()}
    assert paths == {"startup": "/startupz", "liveness": "/livez", "readiness": "/readyz"}
    assert set(paths.values()) <= answered


# The configuration


def test_the_gateway_understands_its_configuration(config: Config) -> None:
    assert (config.server.port, config.ops.port) == (PORTS["clients"], PORTS["operators"])
    assert (config.server.host, config.ops.host) == ("0.0.0.0", "0.0.0.0")
    assert config.upstream.api_key.get_secret_value() == "sk-toapis-of-the-test"
    assert config.ops.token is not None
    assert config.ops.token.get_secret_value() == "sk-operators-of-the-test"
    assert all(key.disabled for key in config.keys)  # nobody has a key that stands on a page


def test_what_it_keeps_lies_on_the_volume(config: Config) -> None:
    data = PLACES["data"]
    assert Path(config.state.url.removeprefix("sqlite:///")).is_relative_to(data)
    assert Path(config.images.folder).is_relative_to(data)
    size = ALL.one("PersistentVolumeClaim")["spec"]["resources"]["requests"]["storage"]
    assert (
        int(size.removesuffix("Gi")) * 2**30 > config.images.shelf + 16 * config.server.bounds.body
    )


def test_there_is_time_to_stop_and_to_be_seen_stopping(config: Config) -> None:
    assert POD["terminationGracePeriodSeconds"] >= config.drain.delay + GRACE + 30
    probe = CONTAINER["readinessProbe"]
    assert config.drain.delay > probe["periodSeconds"] * probe["failureThreshold"]


# Who finds whom


def test_services_find_the_pod_and_its_ports() -> None:
    labels = ALL.pod["metadata"]["labels"]
    assert ALL.one("Deployment")["spec"]["selector"]["matchLabels"].items() <= labels.items()
    services = ALL.all("Service")
    assert {port["targetPort"] for one in services for port in one["spec"]["ports"]} == set(PORTS)
    for service in services:
        assert service["spec"]["selector"].items() <= labels.items()


def test_prometheus_finds_the_operators_service_and_shows_the_token() -> None:
    monitor = ALL.one("ServiceMonitor")["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    found = [one for one in ALL.all("Service") if wanted <= one["metadata"]["labels"].items()]
    (service,) = found
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert service["spec"]["ports"][0]["targetPort"] == "operators"
    assert monitor["jobLabel"] in service["metadata"]["labels"]
    secret = VOLUMES["secrets"]["secret"]
    shown = endpoint["authorization"]["credentials"]
    assert shown["name"] == secret["secretName"]
    assert shown["key"] in {item["key"] for item in secret["items"]}
    assert endpoint["authorization"]["type"] == "Bearer"


# The network


INSIDE = (
    *("10.1.2.3", "127.0.0.1", "192.168.0.1", "172.20.0.1", "169.254.169.254", "100.100.100.200"),
    *("fd00::1", "::1", "fe80::1", "2002::1", "64:ff9b::7f00:1", "::ffff:10.0.0.1"),
)


def reachable(address: str, port: int) -> bool:
    """Whether the policy lets the pod connect to an address outside the cluster."""
    one = ipaddress.ip_address(address)
    for rule in ALL.one("NetworkPolicy")["spec"]["egress"]:
        if port not in {allowed["port"] for allowed in rule["ports"]}:
            continue
        for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
            refused = map(ipaddress.ip_network, block["except"])
            if one in ipaddress.ip_network(block["cidr"]) and not any(
                one in net for net in refused
            ):
                return True
    return False


@pytest.mark.parametrize("address", ["1.1.1.1", "104.18.7.1", "2606:4700::1111"])
def test_the_vendor_can_be_reached_by_https_alone(address: str) -> None:
    assert reachable(address, 443)
    assert not reachable(address, 80)
    assert not reachable(address, 5432)


@given(st.ip_addresses() | st.sampled_from(INSIDE).map(ipaddress.ip_address))
def test_nothing_that_is_not_public_can_be_reached(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if reachable(str(address), 443):
        assert is_public(str(address))


def test_the_policy_is_for_the_pod_and_names_its_ports() -> None:
    spec = ALL.one("NetworkPolicy")["spec"]
    assert spec["podSelector"]["matchLabels"].items() <= ALL.pod["metadata"]["labels"].items()
    assert set(spec["policyTypes"]) == {"Ingress", "Egress"}
    named = {port["port"] for rule in spec["ingress"] for port in rule["ports"]}
    assert named == set(PORTS)
    (guarded,) = [rule for rule in spec["ingress"] if rule["ports"] == [{"port": "operators"}]]
    assert guarded["from"]  # not for everybody


# Kustomize


def test_what_of_kustomize_is_not_understood_here_is_an_error(tmp_path: Path) -> None:
    said = {"apiVersion": "k/v1", "kind": "Kustomization", "namePrefix": "a-"}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(said))
    with pytest.raises(ValueError, match="not understood: namePrefix"):
        rendered(tmp_path)
    (tmp_path / "kustomization.yaml").write_text("resources: []")
    with pytest.raises(ValueError, match="no object of Kubernetes"):
        rendered(tmp_path)
