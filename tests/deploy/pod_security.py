"""Kubernetes' Pod Security Standards, profile "restricted", as a checker of our own.

Owns: the profile's controls, each a function from a pod to sentences that say what breaks it. From
https://kubernetes.io/docs/concepts/security/pod-security-standards/. Windows is left out.
"""

from collections.abc import Callable, Iterator
from typing import Any

Pod = dict[str, Any]

_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"),
    *("persistentVolumeClaim", "projected", "secret"),
}
_PROFILES = {"RuntimeDefault", "Localhost"}
_SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies"),
    *("net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start"),
}
_SELINUX = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def breaches(pod: Pod) -> list[str]:
    """What of a pod's template breaks the profile; nothing, if it is kept."""
    return [said for control in _CONTROLS for said in control(pod["spec"])]


def _containers(spec: Pod) -> Iterator[Pod]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(kind, ())


def _contexts(spec: Pod) -> Iterator[tuple[str, Pod]]:
    """The pod's own and every container's, by name."""
    yield "the pod", spec.get("securityContext", {})
    for container in _containers(spec):
        yield container["name"], container.get("securityContext", {})


def _effective(spec: Pod, field: str) -> Iterator[tuple[str, object]]:
    """What holds for each container: its own word, else the pod's."""
    whole = spec.get("securityContext", {}).get(field)
    for container in _containers(spec):
        yield container["name"], container.get("securityContext", {}).get(field, whole)


def _host(spec: Pod) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} is on"
    for container in _containers(spec):
        for port in container.get("ports", ()):
            if port.get("hostPort"):
                yield f"{container['name']} takes the host's port {port['hostPort']}"


def _privileges(spec: Pod) -> Iterator[str]:
    for name, context in _contexts(spec):
        if context.get("privileged"):
            yield f"{name} is privileged"
        if context.get("procMount", "Default") != "Default":
            yield f"{name} sees all of /proc"
        if context.get("windowsOptions", {}).get("hostProcess"):
            yield f"{name} is a process of the host"
    for container in _containers(spec):
        context = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{container['name']} may gain privileges"
        capabilities = context.get("capabilities", {})
        if "ALL" not in capabilities.get("drop", ()):
            yield f"{container['name']} keeps capabilities"
        if added := set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
            yield f"{container['name']} is given {', '.join(sorted(added))}"


def _user(spec: Pod) -> Iterator[str]:
    for name, value in _effective(spec, "runAsNonRoot"):
        if value is not True:
            yield f"{name} may be root"
    for name, context in _contexts(spec):
        if context.get("runAsUser") == 0:
            yield f"{name} is root"


def _kernel(spec: Pod) -> Iterator[str]:
    for name, value in _effective(spec, "seccompProfile"):
        if not isinstance(value, dict) or value.get("type") not in _PROFILES:
            yield f"{name} may make every system call"
    for name, context in _contexts(spec):
        if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") not in _PROFILES:
            yield f"{name} is not confined by AppArmor"
        selinux = context.get("seLinuxOptions", {})
        if selinux.get("type", "") not in _SELINUX or selinux.get("user") or selinux.get("role"):
            yield f"{name} chooses its SELinux label"
    for sysctl in spec.get("securityContext", {}).get("sysctls", ()):
        if sysctl["name"] not in _SYSCTLS:
            yield f"the pod sets {sysctl['name']}"


def _volumes(spec: Pod) -> Iterator[str]:
    for volume in spec.get("volumes", ()):
        for kind in set(volume) - {"name"} - _VOLUMES:
            yield f"volume {volume['name']} is of kind {kind}"


_CONTROLS: tuple[Callable[[Pod], Iterator[str]], ...] = (
    _host,
    _privileges,
    _user,
    _kernel,
    _volumes,
)
