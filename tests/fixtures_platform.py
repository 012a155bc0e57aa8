"""Fixtures of the real database and object stores."""
