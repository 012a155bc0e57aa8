"""Institutions: which there are, the AE titles that their devices call with, and the credentials with which they upload."""
