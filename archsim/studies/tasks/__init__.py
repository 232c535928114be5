"""Tasks: parts of studies that depend on no other, done here, by other processes or on a cluster, and kept."""
