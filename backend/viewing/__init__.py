"""Showing exams: the viewer's page, tickets and links, the stream socket, pictures over HTTP, and what is derived for them in advance."""
