"""What people may read of the audit trail: administrators search it within their rights, patients see who opened their images."""
