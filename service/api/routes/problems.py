"""Descriptions of the problem types: where the `type` of a problem document leads."""

from __future__ import annotations

from fastapi import APIRouter

from service.api.problem_types import all_problem_types
from service.api.responses import body, problems
from service.api.schemas import ProblemTypeDocument
from service.errors import NotFound

router = APIRouter(prefix="/problems", tags=["problems"])


@router.get(
    "/{slug}",
    operation_id="get_problem_type",
    summary="What does this problem mean?",
    responses={200: body("The kind of problem."), 404: problems(NotFound)[404]},
)
async def get_problem_type(slug: str) -> ProblemTypeDocument:
    """The title, status and meaning of a kind of problem, for people who follow its `type`."""
    for kind in all_problem_types():
        if kind.slug == slug:
            return ProblemTypeDocument(
                type=kind.uri, title=kind.title, status=kind.status, meaning=kind.meaning
            )
    raise NotFound("problem type", slug)
