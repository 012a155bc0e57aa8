"""Exams for other capabilities: every access decided by the policy and recorded."""

from __future__ import annotations

from backend.access.model import Action, Principal
from backend.access.rules import scope_of
from backend.audit.rules import Guard
from backend.platform.errors import Forbidden, Invalid, NotFound

from .model import Exam, ExamPage, ExamQuery, KeptAsidePage
from .store import ArchiveStore

MAX_PAGE = 500
"""Most items of one page."""


class Exams:
    """The guarded use cases."""

    def __init__(self, store: ArchiveStore, guard: Guard) -> None:
        self._store, self._guard = store, guard

    async def open(self, principal: Principal, exam: str, action: Action) -> Exam:
        """The exam with this public id. Raises NotFound alike where there is none and where this principal may not do `action`."""
        found = await self._store.exam_by_public_id(exam)
        return await self._allowed(principal, action, [found] if found else [])

    async def resolve(self, principal: Principal, study_instance_uid: str, action: Action) -> Exam:
        """The exam with this Study Instance UID: the principal's own institution's first, then the first that it may see.

        Raises NotFound as `open` does.
        """
        found = await self._store.exams_by_uid(study_instance_uid)
        found.sort(key=lambda exam: (exam.institution != principal.institution, exam.institution))
        return await self._allowed(principal, action, found)

    async def search(
        self, principal: Principal, query: ExamQuery, limit: int = 50, *, offset: int = 0, after: str | None = None
    ) -> ExamPage:
        """Exams that the principal may see, newest first. Raises Invalid for a page that is none, Forbidden without the right."""
        _check_page(limit, offset)
        await self._guard.require_action(principal, Action.EXAM_SEARCH)
        scope = scope_of(principal, Action.EXAM_SEARCH)
        return await self._store.search_exams(scope, query, limit, offset=offset, after=after)

    async def count(self, principal: Principal, query: ExamQuery, limit: int = 1000) -> int:
        """How many exams the same search has, up to `limit`."""
        await self._guard.require_action(principal, Action.EXAM_SEARCH)
        return await self._store.count_exams(scope_of(principal, Action.EXAM_SEARCH), query, limit)

    async def kept_aside(self, principal: Principal, limit: int = 50, after: str | None = None) -> KeptAsidePage:
        """What was kept aside at ingest, of the principal's institution or of all, newest first."""
        _check_page(limit, 0)
        await self._guard.require_action(principal, Action.IMPORT_REVIEW)
        scope = scope_of(principal, Action.IMPORT_REVIEW)
        if not scope.everything and not scope.institution:
            return KeptAsidePage((), None)
        return await self._store.kept_aside(None if scope.everything else scope.institution, limit, after)

    async def upload_to(self, principal: Principal) -> str:
        """The institution that the principal may upload to: its own. Raises Unauthenticated or Forbidden."""
        await self._guard.require_action(principal, Action.EXAM_UPLOAD)
        if not principal.institution:
            raise Forbidden("该账号不属于任何机构，不能上传影像。")
        return principal.institution

    async def _allowed(self, principal: Principal, action: Action, candidates: list[Exam]) -> Exam:
        refusal = NotFound()
        for exam in candidates:
            try:
                await self._guard.require(principal, action, exam.ref)
            except NotFound as error:
                refusal = error
            else:
                return exam
        raise refusal


def _check_page(limit: int, offset: int) -> None:
    if not 1 <= limit <= MAX_PAGE or not 0 <= offset <= 1_000_000:
        raise Invalid(f"每页条数应在 1 至 {MAX_PAGE} 之间。", code="invalid-page")
