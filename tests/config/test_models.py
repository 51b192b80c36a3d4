from __future__ import annotations

import pytest
from pydantic import ValidationError

from hostkernel.config import Settings
from hostkernel.config.models import ConnectionSettings, KernelSettings


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.1.2.3", "::1"])
def test_loopback_needs_nothing_else(ip: str) -> None:
    assert ConnectionSettings(ip=ip).ip == ip


@pytest.mark.parametrize("ip", ["0.0.0.0", "192.168.0.1", "::"])
def test_a_remote_address_must_be_allowed_and_encrypted(ip: str) -> None:
    with pytest.raises(ValidationError, match="set allow_remote = true and encryption"):
        ConnectionSettings(ip=ip)
    with pytest.raises(ValidationError, match='set encryption = "required"'):
        ConnectionSettings(ip=ip, allow_remote=True, encryption="auto")
    with pytest.raises(ValidationError, match=r"set allow_remote = true\b"):
        ConnectionSettings(ip=ip, encryption="required")
    assert ConnectionSettings(ip=ip, allow_remote=True, encryption="required").ip == ip


def test_one_mistake_is_reported_once() -> None:
    with pytest.raises(ValidationError) as caught:
        ConnectionSettings.model_validate({"ip": "::", "encryption": "on", "allow_remote": True})
    assert [error["loc"] for error in caught.value.errors()] == [("encryption",)]


def test_the_model_itself_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTKERNEL_HOST", "x")
    assert Settings().host is None


def test_native_output_cannot_be_captured_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Windows runs here: the platform is faked."""
    assert KernelSettings(capture_native=True).capture_native
    monkeypatch.setattr("sys.platform", "win32")
    assert not KernelSettings().capture_native
    with pytest.raises(ValidationError, match="cannot be captured on Windows"):
        KernelSettings(capture_native=True)
