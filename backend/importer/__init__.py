"""`yunying import`: sends files, folders and DICOMDIR media to a server by STOW-RS. A client: it knows nothing of the server's inside."""
