"""Shares: a patient shows own exams to somebody by link or QR code, for a time, behind a gate, and takes it back at once."""
