"""Leadership by a lease in the database: of several housekeepers one works."""

from __future__ import annotations

from sqlalchemy import delete, or_, update
from sqlalchemy.exc import IntegrityError

from service.store.scope import Scope
from service.store.tables import LeaderRow


class LeaderRepository:
    """Takes and gives back roles."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def acquire(self, role: str, holder: str, lease_seconds: float) -> bool:
        """Take the role or renew it; False while another holder's lease lasts."""
        now, until = self._scope.now(), self._scope.after(lease_seconds)
        free = or_(LeaderRow.holder == holder, LeaderRow.lease_expires_at < now)
        taken = self._scope.change(
            update(LeaderRow)
            .where(LeaderRow.role == role, free)
            .values(holder=holder, lease_expires_at=until)
        )
        return taken == 1 or self._found(role, holder, lease_seconds)

    def resign(self, role: str, holder: str) -> None:
        """Give the role back before its lease ends."""
        self._scope.change(
            delete(LeaderRow).where(LeaderRow.role == role, LeaderRow.holder == holder)
        )

    def _found(self, role: str, holder: str, lease_seconds: float) -> bool:
        """Be the first holder of a role; False where the role exists."""
        session = self._scope.session
        if session.get(LeaderRow, role) is not None:
            return False
        try:
            with session.begin_nested():
                session.add(
                    LeaderRow(
                        role=role,
                        holder=holder,
                        lease_expires_at=self._scope.after(lease_seconds),
                    )
                )
        except IntegrityError:
            return False
        return True
