"""What the maker of a share learns about who opened it: enough to recognise a friend, too little to follow anybody."""

from __future__ import annotations

import ipaddress

_DEVICES = (
    ("iPhone", "苹果手机"),
    ("iPad", "苹果平板"),
    ("HarmonyOS", "鸿蒙设备"),
    ("Android", "安卓设备"),
    ("Windows", "Windows 电脑"),
    ("Macintosh", "苹果电脑"),
    ("Linux", "Linux 电脑"),
)


def masked_phone(phone: str) -> str:
    """138****5678."""
    return f"{phone[:3]}****{phone[-4:]}"


def masked_address(address: str) -> str:
    """The first half of an IPv4 address, the first three groups of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "未知"
    if parsed.version == 4:
        return ".".join(address.split(".")[:2]) + ".*.*"
    return ":".join(group.lstrip("0") or "0" for group in parsed.exploded.split(":")[:3]) + ":*"


def device_of(agent: str) -> str:
    """The kind of device that a User-Agent names."""
    kind = next((name for mark, name in _DEVICES if mark in agent), "其他设备")
    return f"{kind} · 微信" if "MicroMessenger" in agent else kind
