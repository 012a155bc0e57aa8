"""The DICOM port of the demo: two demos at once never share one."""

from __future__ import annotations

import socket

import pytest

from backend.demo.ports import ADDRESS, PortTaken, dicom_port, must_be_free


def test_a_second_demo_gets_another_port_though_the_first_does_not_listen_yet() -> None:
    with dicom_port() as first, dicom_port() as second:
        assert first != second


def test_a_port_that_somebody_listens_on_is_refused_with_the_remedy() -> None:
    with socket.socket() as other:
        other.bind((ADDRESS, 0))
        other.listen()
        with pytest.raises(PortTaken, match="PORT="):
            must_be_free(other.getsockname()[1])
