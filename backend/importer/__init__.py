"""`yunying import`: sends files, folders and DICOMDIR media to a server by STOW-RS (PS3.18 10.5). A client: it knows nothing of the server's inside."""
