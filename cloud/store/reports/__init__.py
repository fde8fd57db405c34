"""Reports: the audit trail and the statistics."""
