"""The event bus: streams, the dispatcher that drives event functions, and the outbox relay."""
