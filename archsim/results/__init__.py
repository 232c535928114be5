"""What a run comes to: its bill, peak, metrics, audits and cross-checks."""
