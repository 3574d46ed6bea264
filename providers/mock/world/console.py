"""The consoles of a server that has no machine behind it."""

import uuid

from providers.contract.servers import RemoteConsole, Server

_BOOT = (
    "[    0.000000] Linux version 6.1.0-28-cloud-amd64 (gcc 12.2.0) #1 SMP",
    "[    0.000000] Command line: BOOT_IMAGE=/boot/vmlinuz root=/dev/vda1 console=ttyS0",
    "[    0.004000] smpboot: Allowing {vcpus} CPUs, 0 hotplug CPUs",
    "[    0.012000] Memory: {ram_mb}M available",
    "[    0.480000] virtio_blk virtio1: [vda] {disk_gb} GiB",
    "[    1.204000] EXT4-fs (vda1): mounted filesystem with ordered data mode",
    "[    1.950000] systemd[1]: Hostname set to <{name}>.",
    "[    3.310000] cloud-init[402]: running 'init' at {created_at}",
    "[    3.720000] cloud-init[402]: eth0: {ip}",
    "[    5.100000] cloud-init[611]: finished, datasource DataSourceOpenStack",
    "",
    "{name} login: ",
)


def boot_log(server: Server, *, lines: int) -> str:
    """Return the last ``lines`` lines of what the server printed when it booted."""
    text = "\n".join(_BOOT).format(
        name=server.name,
        vcpus=server.vcpus,
        ram_mb=server.ram_mb,
        disk_gb=server.disk_gb,
        created_at=f"{server.created_at:%a, %d %b %Y %H:%M:%S} +0000",
        ip=server.addresses[0].ip if server.addresses else "none",
    )
    return "\n".join(text.split("\n")[-lines:]) if lines > 0 else ""


def remote_console() -> RemoteConsole:
    """Return what Nova would; it leads nowhere, as there is no screen."""
    token = uuid.uuid4()
    return RemoteConsole(
        "novnc", f"https://console.mock.invalid/vnc_auto.html?path=%3Ftoken%3D{token}"
    )
