"""Text messages by Aliyun's short message service, through its own SDK, with what the SDK leaves open closed here.

The SDK blocks, so it runs in a few threads of its own, with a bound on what may wait. Its default is plain HTTP, and number and text
travel in the query string: HTTPS is forced. A refusal comes as HTTP 200 with another `Code` than OK, which the SDK does not look at.
Its errors and its log lines quote the URL, number and code included: errors are replaced, its loggers are silenced.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aliyunsdkcore.http.http_response
from aliyunsdkcore.acs_exception.exceptions import ClientException, ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.http import protocol_type
from aliyunsdkdysmsapi.request.v20170525.SendSmsRequest import SendSmsRequest

from backend.platform.errors import TooMany

from .model import TextMessage
from .rules import MessageNotSent

log = logging.getLogger(__name__)
_THREADS, _WAITING = 4, 64
_CONNECT_SECONDS, _READ_SECONDS = 3, 6
_LIMITED = ("isv.BUSINESS_LIMIT_CONTROL", "isv.DAY_LIMIT_CONTROL", "isv.MONTH_LIMIT_CONTROL")


@dataclass(frozen=True, slots=True)
class AliyunOptions:
    """The account and what was registered with the carrier."""

    key_id: str
    key_secret: str
    sign_name: str
    templates: Mapping[str, str]
    """Name of one of ours -> code of the registered template."""
    endpoint: str = "https://dysmsapi.aliyuncs.com"
    ca_file: str = ""
    """PEM authorities that the endpoint's certificate must be signed by; empty: the usual ones."""


class AliyunSender:
    """Sends one message a call; never twice, since a message costs money and a second code would confuse."""

    def __init__(self, options: AliyunOptions) -> None:
        _silence()
        self._options = options
        address = urlsplit(options.endpoint)
        # The SDK compares by identity: a text "https" that is not this very object would be sent in the clear.
        self._protocol = protocol_type.HTTPS if address.scheme == "https" else protocol_type.HTTP
        self._host = address.hostname or ""
        self._client = AcsClient(
            options.key_id,
            options.key_secret,
            "cn-hangzhou",
            auto_retry=False,
            port=address.port or (443 if address.scheme == "https" else 80),
            connect_timeout=_CONNECT_SECONDS,
            timeout=_READ_SECONDS,
            verify=options.ca_file or True,
            pool_size=_THREADS,
        )
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="sms")
        self._waiting = 0

    async def send(self, message: TextMessage) -> None:
        """Returns when the service took the message. Raises `MessageNotSent`, or `TooMany` when the carrier's own limits refuse."""
        if message.template not in self._options.templates:
            log.warning("no template code is set for %s", message.template)
            raise MessageNotSent
        if self._waiting >= _WAITING:
            raise MessageNotSent
        self._waiting += 1
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._pool, self._send, message)
        finally:
            self._waiting -= 1
        code = str(answer.get("Code", ""))
        if code == "OK":
            return
        log.warning("the short message service refused: %s", code[:60])
        if code in _LIMITED:
            raise TooMany("该手机号码收到的短信过多，请稍后再试。", retry_after=3600)
        raise MessageNotSent

    def _send(self, message: TextMessage) -> dict[str, Any]:
        request = SendSmsRequest()
        request.set_accept_format("json")
        request.set_protocol_type(self._protocol)
        request.set_endpoint(self._host)
        request.set_PhoneNumbers(message.phone)
        request.set_SignName(self._options.sign_name)
        request.set_TemplateCode(self._options.templates[message.template])
        request.set_TemplateParam(json.dumps(dict(message.params), ensure_ascii=False))
        try:
            answer = json.loads(self._client.do_action_with_exception(request))
        except ServerException as error:
            return {"Code": error.get_error_code()}
        except ClientException as error:
            # The text of the cause holds the number: only its code may go on.
            log.warning("the short message service was not reached: %s", error.get_error_code())
            raise MessageNotSent from None
        except Exception as error:
            log.warning("the short message service failed: %s", type(error).__name__)
            raise MessageNotSent from None
        return answer if isinstance(answer, dict) else {}

    def close(self) -> None:
        """Ends the threads; what is being sent is let go."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _silence() -> None:
    responses = aliyunsdkcore.http.http_response
    responses.logger.removeHandler(responses.ch)
    for name in ("aliyunsdkcore", "aliyunsdkcore.client", "aliyunsdkcore.http.http_response", "aliyunsdkcore.vendored"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
