"""Events: emitted by a transaction, stored with it, published after its commit."""

from app.services.events.outbox import EventOutbox, Reaction

__all__ = ["EventOutbox", "Reaction"]
