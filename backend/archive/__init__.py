"""Examinations: received, checked, kept byte for byte, indexed, found again. C-STORE, STOW-RS and DICOMweb."""
