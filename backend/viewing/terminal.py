"""One open stream, without the socket: the exam it shows, its plan and its pump, and what changes while it is open."""

from __future__ import annotations

from collections.abc import Sequence

from backend.access.model import Principal
from backend.archive.model import Exam
from backend.platform.clock import Clock
from backend.platform.errors import Invalid, NotFound
from backend.viewing.messages import Ack, HeldRanges, Message, Open, Overview, Ping
from backend.viewing.pictures import NATIVE
from backend.viewing.plan import Plan, SeriesShape, View
from backend.viewing.rules import Opened, Viewing, first_series, visible
from backend.viewing.series import SeriesView
from backend.viewing.stream import Stream, Wire
from backend.viewing.views import Summary


class Terminal:
    """What one viewer sees, from its first message on."""

    def __init__(
        self, viewing: Viewing, wire: Wire, clock: Clock, principal: Principal, opened: Opened, opening: Open
    ) -> None:
        self._viewing, self._wire, self._clock = viewing, wire, clock
        self._principal = principal
        self._summaries: list[Summary] = list(opened.series)
        self._opened = opened
        self.plan = Plan([_shape(summary) for summary in self._summaries], opening.keep)
        self._guess: View | None = None
        if opening.have is None:
            self._guess = _first_view(opened)
        else:
            self._remember(opening.have)
        self.stream = Stream(wire, self.plan, viewing.pictures, self._series, clock)

    @property
    def exam(self) -> Exam:
        """The exam."""
        return self._opened.exam

    @property
    def session(self) -> str:
        """The session that the stream belongs to."""
        return self._principal.session

    async def greet(self) -> None:
        """Says that the ticket was accepted, with a manifest whose ticket is fresh."""
        manifest = self._viewing.manifest(self._opened, self._principal)
        await self._wire.send({"t": "ready", "manifest": manifest, "session": manifest["ticket"][-16:]})
        if self._guess is not None:
            self.stream.look(self._guess)

    async def take(self, message: Message) -> None:
        """Acts on a message. Raises Invalid for one that makes no sense here."""
        if isinstance(message, View):
            self._check(message.series, message.frame)
            self.stream.look(message)
        elif isinstance(message, Ack):
            if not self.stream.acked(message.total):
                raise Invalid
        elif isinstance(message, Overview):
            self._check(message.series, 0)
            self.stream.overview(message.series, message.window)
        elif isinstance(message, Ping):
            await self._wire.send({"t": "pong", "at": message.at})
        else:
            raise Invalid

    async def refresh(self, series: Sequence[Summary]) -> None:
        """Takes over what changed in the archive. Series keep the numbers that this terminal knows them by; new ones follow."""
        numbers = {summary.series.key: i for i, summary in enumerate(self._summaries)}
        for summary in visible(self._principal, self.exam, series):
            i = numbers.get(summary.series.key)
            if i is None:
                self._summaries.append(summary)
                self.plan.shapes.append(_shape(summary))
                i = len(self._summaries) - 1
            elif self._summaries[i].name == summary.name:
                continue
            else:
                same = dict(self._summaries[i].entry) == dict(summary.entry)
                self._summaries[i] = summary
                self.plan.changed(i, _shape(summary), same_frames=same)
            await self._wire.send({"t": "series", "i": i, "entry": {"i": i, **summary.entry}})
        self.stream.wake()

    def _check(self, series: int, frame: int) -> None:
        if not 0 <= series < len(self._summaries) or not 0 <= frame < max(1, self.plan.shapes[series].frames):
            raise Invalid

    async def _series(self, number: int) -> SeriesView:
        if self._summaries[number].lead is None:
            raise NotFound("该序列没有可以显示的图像。")
        return await self._viewing.view(self._summaries[number])

    def _remember(self, have: HeldRanges) -> None:
        """What the terminal holds since before a reconnect is not sent again."""
        if have.series < len(self._summaries):
            self.plan.remember(have.series, have.window, have.fit, have.sheets, have.frames, have.exact)


def _first_view(opened: Opened) -> View | None:
    """What the terminal will look at first: the page's picture. Guessed where its size does not depend on the screen.

    So the exact picture is on its way while the page's code still loads: a round trip and the start of a slow phone are won.
    """
    number = first_series(opened.series)
    lead = None if number is None else opened.series[number].lead
    if number is None or lead is None or max(lead.size) > NATIVE:
        return None
    return View(0, number, opened.series[number].entry["default_frame"], None, lead.size, have=1)


def _shape(summary: Summary) -> SeriesShape:
    entry = summary.entry
    return SeriesShape(entry["frames"], entry["rows"], entry["columns"])
