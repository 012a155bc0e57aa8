"""Report texts of exams: every version is kept, sealed; the newest is shown."""
