"""Text messages to people: templates, a sender that writes an outbox file, and one that speaks to the carrier's service."""
