"""Studies: what the commands do, each a file or a folder."""
