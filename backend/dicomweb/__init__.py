"""DICOMweb (PS3.18) over archive and viewing: QIDO-RS searches, WADO-RS retrieves and renders. STOW-RS belongs to the archive."""
