"""Pixels only: DICOM bytes and arrays in, pictures and arrays out. Knows neither HTTP, nor a database, nor accounts."""
